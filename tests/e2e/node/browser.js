'use strict';
// browser.js JSON: opens the catalog's page in headless Chromium and runs page.js there; prints what it saw.
const { chromium } = require('playwright-core');

async function main() {
  const arg = JSON.parse(process.argv[2]);
  const browser = await chromium.launch({
    executablePath: arg.chromium,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', ...(arg.args || [])],
  });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(60000);
    page.on('pageerror', (e) => console.error(`page: ${e}`));
    page.on('console', (m) => console.error(`console: ${m.text()}`));
    await page.goto(arg.page);
    const sdk = await page.evaluate((a) => runSdk(a), arg);
    const fetches = await page.evaluate((a) => runFetches(a), arg);
    console.log(JSON.stringify({ sdk, fetches }));
  } finally {
    await browser.close();
  }
}

main().catch((error) => { console.error(error); process.exit(1); });
