'use strict';
// drive.js CHROMIUM: a page in headless Chromium, driven by one JSON command a line on stdin; each is answered by a line.
const readline = require('node:readline');
const { chromium } = require('playwright-core');

const seen = { console: [], requests: [], violations: [] };
const fixtures = new Map();

async function start(executablePath) {
  const browser = await chromium.launch({
    executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
  const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on('pageerror', (e) => seen.console.push(`thrown: ${e.stack || e}`));
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) seen.console.push(m.text()); });
  page.on('request', (r) => seen.requests.push(r.url()));
  await page.exposeFunction('told', (v) => { seen.violations.push(v); });
  await page.addInitScript(() => document.addEventListener('securitypolicyviolation',
    (e) => window.told(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`)));
  return { browser, page };
}

const call = (c) => `(${c.js})(${JSON.stringify(c.arg === undefined ? null : c.arg)})`;

const commands = {
  goto: (page, c) => page.goto(c.url, { waitUntil: 'load' }).then((r) => r && { status: r.status(), headers: r.headers() }),
  eval: (page, c) => page.evaluate(call(c)),
  // Not waitForFunction: it needs eval, which the page's policy forbids.
  wait: async (page, c) => {
    const end = Date.now() + (c.timeout || 15000);
    while (!await page.evaluate(call(c))) {
      if (Date.now() > end) throw new Error(`not true: ${call(c)}\n${await page.evaluate('document.body.innerText')}`);
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  },
  media: (page, c) => page.emulateMedia(c.media),
  size: (page, c) => page.setViewportSize(c.size),
  press: async (page, c) => { for (const key of c.keys) await page.keyboard.press(key); },
  shot: async (page, c) => { await page.screenshot({ path: c.path, fullPage: c.full, animations: 'disabled' }); },
  // The page's own files still come from penstock; only what it reads is made up. null: the real thing.
  fixture: async (page, c) => {
    await page.unroute(c.path).catch(() => {});
    fixtures.set(c.path, c.body);
    const answer = () => ({ status: 200, contentType: 'application/json', body: fixtures.get(c.path) });
    if (c.body !== null) await page.route(c.path, (r) => r.fulfill(answer()));
  },
  // In a world of its own: the page's Content-Security-Policy stays as it is.
  axe: async (page) => {
    const session = await page.context().newCDPSession(page);
    const { frameTree } = await session.send('Page.getFrameTree');
    const world = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' });
    const run = async (expression) => {
      const done = await session.send('Runtime.evaluate', {
        expression, contextId: world.executionContextId, awaitPromise: true, returnByValue: true,
      });
      if (done.exceptionDetails) throw new Error(JSON.stringify(done.exceptionDetails).slice(0, 2000));
      return done.result.value;
    };
    await run(require('axe-core').source);
    const text = await run(`axe.run(document, { resultTypes: ['violations'] }).then((r) => JSON.stringify({
      passes: r.passes.length, violations: r.violations.map((v) => [v.id, v.help, v.nodes.slice(0, 5)
        .map((n) => n.html + ' ' + n.failureSummary)]) }))`);
    await session.detach();
    return JSON.parse(text);
  },
  heap: async (page) => {
    const session = await page.context().newCDPSession(page);
    await session.send('HeapProfiler.collectGarbage');
    const used = (await session.send('Runtime.getHeapUsage')).usedSize;
    const counts = await session.send('Memory.getDOMCounters');
    await session.detach();
    return { used, nodes: counts.nodes, listeners: counts.jsEventListeners };
  },
  seen: async (page, c) => {
    const out = JSON.parse(JSON.stringify(seen));
    if (c.forget) for (const list of Object.values(seen)) list.length = 0;
    return out;
  },
};

async function main() {
  const { browser, page } = await start(process.argv[2]);
  const lines = readline.createInterface({ input: process.stdin });
  console.log(JSON.stringify({ ok: 'ready' }));
  for await (const line of lines) {
    const command = JSON.parse(line);
    try {
      const value = await commands[command.do](page, command);
      console.log(JSON.stringify({ ok: value === undefined ? null : value }));
    } catch (error) {
      console.log(JSON.stringify({ error: String(error.stack || error) }));
    }
  }
  await browser.close();
}

main().catch((error) => { console.error(error); process.exit(1); });
