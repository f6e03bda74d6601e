// Every page, in both themes, on three widths: no error, nothing wider than the window, no violation of WCAG.
import { BASE, check, end, launch, open, violations, visit } from './browser.mjs';
const paths = process.argv.slice(3), browser = await launch(), wrong = [];
for (const [width, height] of [[390, 844], [1440, 900], [1920, 1080]]) {
  for (const theme of ['light', 'dark']) {
    const page = await open(browser, width, height);
    for (const path of paths) {
      await visit(page, `${path}?theme=${theme}`);
      const where = `${path} ${width} ${theme}`;
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 1) wrong.push(`${where}: ${wide} px wider than the window`);
      if (!await page.$('h1')) wrong.push(`${where}: no heading`);
      if (await page.$('.empty[role=alert]')) wrong.push(`${where}: ${await page.$eval('.empty[role=alert]', n => n.textContent)}`);
      if (width !== 1920) wrong.push(...(await violations(page)).map(v => `${where}: ${v}`));
    }
    wrong.push(...page.faults.map(f => `${width} ${theme}: ${f}`));
    await page.close();
  }
}
check(BASE && !wrong.length, [...new Set(wrong)].join('\n'));
console.log(`${paths.length} pages`);
await end(browser);
