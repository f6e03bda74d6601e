// Ten thousand incidents by the keyboard: few rows in the page, search, and what a key costs, printed.
import { check, end, launch, open, soon, text, visit } from './browser.mjs';
const browser = await launch(), page = await open(browser);
await visit(page, '/');
const rows = () => page.$$eval('#list [data-n]', l => l.length);
check(await rows() <= 20, `${await rows()} rows in the page`);
check((await text(page, '.tools [aria-pressed=true]')).includes('10,000'), 'the tab counts them all');
const times = [];
for (let n = 0; n < 60; n++) {
  times.push(await page.evaluate(() => new Promise(done => { const t = performance.now(); dispatchEvent(new KeyboardEvent('keydown', { key: 'j' })); requestAnimationFrame(() => setTimeout(() => done(performance.now() - t))); })));
}
check(await page.$eval('#list [aria-selected=true]', n => n.dataset.n) === '60', 'sixty times down');
check(await rows() <= 20, 'still few rows');
await page.evaluate(() => { document.querySelector('#list').scrollTop = 1e9; });
await soon(page, () => document.querySelectorAll('#list [data-n]').length > 0, 'rows at the end of what is loaded');
await page.keyboard.press('/');
await page.keyboard.type('svc-9999');
await soon(page, () => document.querySelectorAll('#list [data-n]').length === 1, 'one found');
const searches = [];
for (let n = 0; n < 20; n++) {
  searches.push(await page.evaluate(name => new Promise(done => {
    const input = document.querySelector('input[type=search]'), begun = performance.now();
    const look = () => { const rows = document.querySelectorAll('#list [data-n]'); if (rows.length === 1 && rows[0].textContent.includes(name)) done(performance.now() - begun); else requestAnimationFrame(look); };
    input.value = name; input.dispatchEvent(new Event('input')); look();
  }), `svc-${9000 + n * 7}`));
}
await page.keyboard.press('Escape');
await page.$eval('input[type=search]', n => { n.value = 'nothing has this'; n.dispatchEvent(new Event('input')); });
await soon(page, () => /Nothing found/.test(document.querySelector('#list').textContent), 'nothing found');
check(!page.faults.length, page.faults.join('\n'));
times.sort((a, b) => a - b); searches.sort((a, b) => a - b);
console.log(`j to painted: median ${times[30].toFixed(0)} ms, p95 ${times[57].toFixed(0)} ms; a search to its list: median ${searches[10].toFixed(0)} ms, p95 ${searches[18].toFixed(0)} ms`);
const paint = (await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime)) || 0;
console.log(`first contentful paint: ${paint.toFixed(0)} ms`);
await end(browser);
