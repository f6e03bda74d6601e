// Pictures for the documentation, in both themes: node screenshots.mjs ADDRESS FOLDER
import { BASE, end, launch, open, visit } from './browser.mjs';
const folder = process.argv[3], browser = await launch(), page = await open(browser, 1440, 900);
const list = await (await fetch(BASE + '/v1/incidents?limit=500')).json();
const of = (view, kind) => list.incidents.find(i => i.view === view && (!kind || i.signals[0]?.name === kind)) || list.incidents.find(i => i.view === view);
const stolen = of('identity', 'concurrency'), source = of('source');
const shots = [['now', '/'], ['incident', '/incident/' + stolen.id, true], ['source-incident', '/incident/' + source.id], ['identity', '/identity/' + encodeURIComponent(stolen.subject.id), true], ['source', '/source/' + encodeURIComponent(source.subject.id)], ['hygiene', '/hygiene'], ['audit', '/audit'], ['tuning', '/tuning']];
for (const theme of ['light', 'dark']) {
  for (const [name, path, whole] of shots) {
    await visit(page, `${path}?theme=${theme}`);
    await new Promise(resolve => setTimeout(resolve, 1500));
    await page.screenshot({ path: `${folder}/${name}-${theme}.png`, fullPage: Boolean(whole) });
  }
}
await page.setViewport({ width: 390, height: 844 });
for (const [name, path] of shots.slice(0, 2)) {
  await visit(page, path + '?theme=light');
  await page.screenshot({ path: `${folder}/${name}-phone.png` });
}
await end(browser);
