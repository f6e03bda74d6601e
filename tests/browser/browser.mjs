// A headless Chromium, and what every check of the console does.
import puppeteer from 'puppeteer-core';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const BASE = process.argv[2], WAIT = Number(process.env.CREDWATCH_TEST_WAIT_MS || 120_000);
export const fail = why => { console.error(why); process.exit(1); };
export const check = (holds, why) => { if (!holds) fail(why); };

/** Tells the test that it may act, and waits until it says that it did. */
export const handOver = word => new Promise(resolve => { process.stdin.resume(); process.stdin.once('data', () => { process.stdin.pause(); resolve(); }); console.log(word); });

export async function launch() {
  return puppeteer.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium', headless: true, protocolTimeout: 180_000,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
  });
}

/** Ends well: the open standard input would keep the process alive. */
export async function end(browser) { await browser.close(); process.exit(0); }

/** A page that notes every error, and every request to another host. */
export async function open(browser, width = 1440, height = 900) {
  const page = await browser.newPage();
  await page.setViewport({ width, height });
  page.setDefaultTimeout(WAIT);
  page.faults = []; page.refusals = [];
  page.on('response', r => { if (r.status() >= 400) page.refusals.push(`${r.status()} ${r.request().method()} ${r.url()}`); });
  page.on('pageerror', e => page.faults.push('script: ' + e.message));
  page.on('console', m => { if (m.type() === 'error' && !/status of (401|403|404|409)/.test(m.text())) page.faults.push('console: ' + m.text()); });
  page.on('dialog', d => { page.faults.push('dialog: ' + d.message()); d.dismiss(); });
  page.on('request', r => { if (!r.url().startsWith(BASE) && !r.url().startsWith('data:')) page.faults.push('outside request: ' + r.url()); });
  return page;
}

/** Waits until the page is painted: before that, the browser drops keys and clicks. */
export const painted = page => page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length, { timeout: WAIT });

export async function visit(page, path) {
  await page.goto(BASE + path, { waitUntil: 'domcontentloaded', timeout: WAIT });
  await page.waitForFunction(() => document.body.dataset.ready, { timeout: WAIT });
  await painted(page);
}

/** Waits until `holds` in the page; tells what stands there if it never does. */
export const soon = (page, holds, what, ...args) => page.waitForFunction(holds, { timeout: WAIT }, ...args).catch(async () => {
  const shown = await page.evaluate(() => ['.toast', 'dialog[open]', 'main'].map(q => q + ': ' + document.querySelector(q)?.textContent.slice(0, 400)).join('\n')).catch(e => e.message);
  fail(['waited in vain: ' + what, page.url(), shown, ...page.refusals, ...page.faults].join('\n'));
});
/** Presses `key`, and again as a person would, until `holds` in the page: on a busy machine a key is lost now and then. */
export async function pressUntil(page, key, holds, what) {
  for (let tries = 0; tries < 6; tries++) {
    await page.keyboard.press(key);
    if (await page.waitForFunction(holds, { timeout: 10_000 }).then(() => true, () => false)) return;
  }
  await soon(page, holds, what);
}
export const text = (page, selector) => page.$eval(selector, n => n.textContent);

/** Violations of WCAG 2.2 AA that axe finds. The script of axe is run by the debugger, past the page's policy. */
export async function violations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }));
  return found.violations.map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' ' + (n.any[0]?.message || '')).join(' | ')}`);
}
