// A shift: incidents arrive while one looks, one is answered and the answer taken back, an order is approved,
// containment is paused; by the keyboard alone.
import { check, end, handOver, launch, open, soon, text, visit } from './browser.mjs';
const browser = await launch(), page = await open(browser);
let release; const held = new Promise(resolve => { release = resolve; });
await page.setRequestInterception(true);
page.on('request', async request => { if (request.url().endsWith('/v1/stream')) await held; request.continue(); });
await visit(page, '/');
check(/Nothing waits for you/.test(await text(page, '#list')), 'an empty list says so');
await handOver('EMPTY');
release(); // the stream opens only now: what came before it is shown all the same
await soon(page, () => document.querySelectorAll('#list [data-n]').length === 2, 'two incidents arrive by themselves');
await soon(page, () => /Approve order/.test(document.querySelector('.peek').textContent), 'the first waits for approval');
await page.keyboard.press('a');
await page.waitForSelector('dialog[open]');
await page.keyboard.type('seen with the owner');
await page.keyboard.press('Tab'); await page.keyboard.press('Tab'); await page.keyboard.press('Enter');
await soon(page, () => /Approved and sent/.test(document.querySelector('.toast')?.textContent), 'the approval is confirmed');
await page.keyboard.press('j');
await soon(page, () => document.querySelector('#list [aria-selected=true]')?.dataset.n === '1', 'the second is chosen');
await page.keyboard.press('x');
await soon(page, () => /unlearned/.test(document.querySelector('.toast')?.textContent), 'the answer is confirmed');
await page.keyboard.press('z');
await handOver('ANSWERED');
await soon(page, () => [...document.querySelectorAll('#list .who b')].some(n => n.textContent === 'svc-late') || document.querySelector('.tools [role=status] button'), 'the late one arrives, or is announced');
const keys = await page.evaluate(() => { dispatchEvent(new KeyboardEvent('keydown', { key: '?' })); return document.querySelector('dialog[open] h2')?.textContent; });
check(keys === 'Keys', 'the list of keys opens');
await page.keyboard.press('Escape');
await page.keyboard.press('p');
await page.waitForSelector('dialog[open]');
await page.keyboard.type('drill');
await page.keyboard.press('Tab'); await page.keyboard.press('Tab'); await page.keyboard.press('Enter');
await handOver('PAUSED');
await soon(page, () => /Containment is paused/.test(document.querySelector('#notices').textContent), 'the page says that it is paused');
await page.keyboard.press('g'); await page.keyboard.press('l');
await page.waitForFunction(() => location.pathname === '/audit');
check(!page.faults.length, page.faults.join('\n'));
console.log('DONE');
await end(browser);
