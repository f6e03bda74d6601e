// Names that would be markup, script or another direction of writing are text, on every page that shows them.
import { check, end, launch, open, text, visit } from './browser.mjs';
const [incident] = process.argv.slice(3), browser = await launch(), page = await open(browser);
for (const path of ['/', `/incident/${incident}`, '/approvals', '/audit']) {
  await visit(page, path);
  const shown = await text(page, 'main');
  check(shown.includes('<img src=x') && shown.includes('⟨202E⟩'), `${path}: it is shown as text: ${shown.slice(0, 300)}`);
  check(!shown.includes('\u202e'), `${path}: no direction is changed`);
  check(!await page.$('main img'), `${path}: nothing became an image`);
  check(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth) <= 1, `${path}: it does not widen the page`);
}
check(!page.faults.length, page.faults.join('\n'));
await end(browser);
