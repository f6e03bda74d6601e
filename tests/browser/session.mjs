// Log-in by a token, and by the identity provider; an order is approved; the session ends on the server.
import { BASE, check, end, fail, handOver, launch, open, painted, pressUntil, soon, text, visit, WAIT } from './browser.mjs';
const [mode, user, secret] = process.argv.slice(3), browser = await launch(), page = await open(browser);
await page.goto(BASE + '/', { waitUntil: 'domcontentloaded' });
check(new URL(page.url()).pathname === '/login', 'whoever is not logged in is asked to');
await painted(page);
if (mode === 'oidc') {
  await page.click('a[href="/login/oidc"]');
  await page.waitForSelector('#username', { timeout: WAIT });
  await painted(page);
  await page.type('#username', user); await page.type('#password', secret);
  page.faults.length = 0; // the provider is another host, on purpose
  await page.click('#kc-login');
} else {
  await page.type('#token', secret);
  await page.keyboard.press('Enter');
}
await page.waitForFunction(base => location.href === base + '/' && document.body.dataset.ready, { timeout: WAIT }, BASE).catch(() => fail('not logged in: ' + page.url()));
page.faults.length = 0;
check(await page.$eval('body', n => n.dataset.name) === user, 'the session bears the name');
check((await page.cookies()).every(c => c.httpOnly && c.secure), 'no script reads a cookie');
await soon(page, () => document.querySelectorAll('#list [data-n]').length > 0, 'an incident from Kafka');
await visit(page, '/approvals');
await soon(page, () => document.querySelector('li.panel'), 'an order that waits');
await pressUntil(page, 'a', () => document.querySelector('dialog[open]'), 'the dialog');
await page.keyboard.type('agreed by telephone');
await page.keyboard.press('Tab'); await page.keyboard.press('Tab'); await page.keyboard.press('Enter');
await soon(page, () => /Approved and sent/.test(document.querySelector('.toast')?.textContent || ''), 'the approval is confirmed');
await visit(page, '/');
await pressUntil(page, 'x', () => /unlearned/.test(document.querySelector('.toast')?.textContent || ''), 'the answer is confirmed');
await soon(page, () => /Answered/.test(document.querySelector('.tools').textContent), 'tabs');
await handOver('ANSWERED');
await visit(page, '/audit');
await soon(page, name => document.querySelector('main').textContent.includes(name), 'the audit trail names the person', user);
await visit(page, '/settings');
const out = await page.evaluateHandle(() => [...document.querySelectorAll('button')].find(b => b.textContent === 'Log out'));
await out.click();
await page.waitForFunction(() => location.pathname === '/login');
check((await text(page, 'main')).includes('credwatch'), 'the log-in page');
await page.goto(BASE + '/', { waitUntil: 'domcontentloaded' });
check(new URL(page.url()).pathname === '/login', 'the session ended');
await end(browser);
