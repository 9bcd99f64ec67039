'use strict';
// registry.js JSON: what the catalog's pages do with the registry's routes, in headless Chromium; prints what it saw.
const { chromium } = require('playwright-core');

// A frame of the proxy's origin; its page tells what became of its assets.
async function frame(page, url) {
  const answered = page.waitForResponse((r) => r.url() === url);
  const told = page.evaluate((src) => new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), 5000);
    window.addEventListener('message', (e) => { clearTimeout(timer); resolve(e.data); }, { once: true });
    const element = document.createElement('iframe');
    element.src = src;
    element.onload = () => setTimeout(() => resolve(null), 3000);
    document.body.append(element);
  }), url);
  const status = (await answered).status();
  return { status, told: status === 200 ? await told : null };
}

async function main() {
  const arg = JSON.parse(process.argv[2]);
  const browser = await chromium.launch({
    executablePath: arg.chromium, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
  try {
    const page = await browser.newPage({ acceptDownloads: true });
    page.setDefaultTimeout(20000);
    page.on('pageerror', (e) => console.error(`page: ${e}`));
    page.on('console', (m) => console.error(`console: ${m.text()}`));
    await page.goto(arg.page);
    const out = {};
    out.before = await frame(page, `${arg.browse}/page.html`);
    out.cookie = await page.evaluate(async (url) => {
      const resp = await fetch(url, {
        method: 'POST', credentials: 'include', body: '{}',
        headers: { 'Content-Type': 'application/json', Authorization: 'Bearer of-the-page' },
      });
      return { status: resp.status, body: await resp.text(), visible: document.cookie };
    }, `${arg.proxy}/browse/set_browse_cookie`);
    out.after = await frame(page, `${arg.browse}/page.html?v=1`);
    out.frame = await page.frames().find((f) => f.url().endsWith('?v=1')).evaluate(() => ({
      color: getComputedStyle(document.querySelector('h1')).color,
      text: document.querySelector('h1').textContent,
      width: document.querySelector('img').naturalWidth,
      origin: location.origin,
    }));
    const waiting = page.waitForEvent('download');
    await page.evaluate(({ action, token }) => {
      const form = document.createElement('form');
      form.method = 'POST';
      form.action = action;
      const input = document.createElement('input');
      Object.assign(input, { type: 'hidden', name: 'token', value: token });
      form.append(input);
      document.body.append(form);
      form.submit();
    }, arg);
    const download = await waiting;
    await download.saveAs(arg.save);
    out.download = { name: download.suggestedFilename(), failure: await download.failure(), page: page.url() };
    console.log(JSON.stringify(out));
  } finally {
    await browser.close();
  }
}

main().catch((error) => { console.error(error); process.exit(1); });
