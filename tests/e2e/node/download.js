'use strict';
// download.js JSON: headless Chromium opens a page, follows a link to url, and resumes the download as often as it
// is interrupted, as the button of its list of downloads does. The file is copied to `to`; prints what happened.
const fs = require('fs');
const path = require('path');
const { chromium } = require('playwright-core');

async function follow(page, url) {
  await page.evaluate((u) => {
    const link = document.createElement('a');
    link.href = u;
    document.body.append(link);
    link.click();
  }, url);
}

async function main() {
  const arg = JSON.parse(process.argv[2]);
  const extension = path.join(__dirname, 'extension');
  const context = await chromium.launchPersistentContext(arg.profile, {
    executablePath: arg.chromium, headless: false, downloadsPath: arg.profile,
    args: ['--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu',
      `--disable-extensions-except=${extension}`, `--load-extension=${extension}`],
  });
  const steps = [];
  try {
    const page = context.pages()[0] || await context.newPage();
    const worker = context.serviceWorkers()[0] || await context.waitForEvent('serviceworker', { timeout: 20000 });
    await page.goto(arg.page);
    await follow(page, arg.url);
    for (const end = Date.now() + 40000; Date.now() < end;) {
      const [item] = await worker.evaluate(() => chrome.downloads.search({}));
      if (item && item.state === 'interrupted') {
        steps.push({ error: item.error, received: item.bytesReceived, canResume: item.canResume });
        if (!item.canResume || steps.length > arg.patience) break;
        await worker.evaluate((id) => chrome.downloads.resume(id), item.id);
      } else if (item && item.state === 'complete') {
        steps.push({ complete: item.bytesReceived });
        fs.copyFileSync(item.filename, arg.to);
        break;
      } else {
        await new Promise((resolve) => { setTimeout(resolve, 30); });
      }
    }
    console.log(JSON.stringify(steps));
  } finally {
    await context.close();
  }
}

main().catch((error) => { console.error(error); process.exit(1); });
