import { $, KIND, answer, approve, btn, draw, el, failed, get, icon, kindIcon, name, nameOf, oneIn, orderTag, rarity, sev, setKeys, setNow, usual, verdicts, VERDICT, when } from './app.js';
import { current, on } from './frame.js';
import { done, go, incidentUrl, live, lower, sevMark, subjectUrl, upper } from './parts.js';
const main = $('main'), ROW = () => innerWidth <= 640 ? 104 : 82;

function row(i, n, of, chosen) {
  return el('div.inc' + (i.verdict ? '.answered' : ''), { role: 'option', id: 'o' + n, 'aria-selected': String(n === chosen), 'aria-setsize': of, 'aria-posinset': n + 1, 'data-n': n }, sevMark(i.severity),
    el('div.cut', {}, el('div.who', {}, kindIcon(i.subject.kind), el('b.cut', { title: i.subject.id }, nameOf(i.subject)), el('span.dim.small.cut', {}, [KIND[i.subject.kind], i.subject.group, nameOf(i.subject) !== i.subject.id && i.subject.id].filter(Boolean).join(' · '))), el('div.what.cut', { title: i.headline }, i.headline), el('div.meta', {}, i.signals.slice(0, 4).map(s => el('span.tag' + (s.nats > 6.8 ? '.ev' : ''), {}, s.label.toLowerCase())))),
    el('div.right', {}, el('span', {}, live(i) && el('i.dot.ev', { title: 'evidence still arrives' }), ' ', when(i.last)), el('span.dim.hide-s', {}, oneIn(i.nats)), el('span.done', {}, i.verdict ? el('span.tag.good', {}, VERDICT[i.verdict.verdict]) : orderTag(i.order))));
}
function peek(i, box, after) {
  const part = (q, ...kids) => el('div', {}, el('p.q', {}, q), kids), rest = el('div.body', {}, el('div.bone', {}), el('div.bone.w', {}));
  box.replaceChildren(el('div.body', {}, el('div.crumb', {}, sev(i.severity), el('span', {}, 'from ', when(i.opened, 'm'), live(i) ? ', evidence still arrives' : [' to ', when(i.last, 'm')])), el('h2.big', {}, nameOf(i.subject) + ': ' + lower(i.headline)), el('p.small.mid', {}, [KIND[i.subject.kind], i.subject.group, nameOf(i.subject) !== i.subject.id ? i.subject.id : i.subject.owner && 'owner ' + i.subject.owner].filter(Boolean).join(' · '))), rest);
  get('/v1/incidents/' + encodeURIComponent(i.id)).then(d => {
    const d2 = { ...d, summary: i };
    rest.replaceChildren(el('div.stack', {},
      part('What was unusual', d.signals.slice(0, 3).map((s, n) => el('div.card.narrow', {}, el('div', {}, el('div.name', {}, el('b', {}, s.label), el('span.dim.small', {}, oneIn(s.surprise_nats))), el('dl.oe', {}, el('dt', {}, 'seen'), el('dd.o', {}, name(s, s.observed)), el('dt', {}, 'usual'), el('dd', {}, usual(s)))), n < 2 && draw(s, d2)))),
      part('How sure', el('p', {}, el('b', {}, upper(oneIn(i.nats))), ' by chance ', el('span.dim', {}, `(alerts begin at ${oneIn(d.threshold_nats)})`)), rarity(i.nats, d.threshold_nats, 460)),
      part('What was done', done(i)), part('What to do next', el('ol.steps', {}, (d.runbook?.containment || []).slice(0, 2).map((t, n) => el('li', {}, el('span.dim', {}, n + 1), t)))),
      verdicts(i, after), el('p.small', {}, el('a', { href: incidentUrl(i) }, 'Open the incident'), el('span.dim', {}, '  (Enter)'))));
  }).catch(e => rest.replaceChildren(el('div.stack', {}, el('p.small.mid', {}, 'Its details could not be read: ' + e.message), done(i), verdicts(i, after))));
}
async function page() {
  const seg = el('div.row', { role: 'group', 'aria-label': 'Which' }), search = el('input', { type: 'search', placeholder: 'Search  /', 'aria-label': 'Search incidents' }), list = el('div.list.tall', { role: 'listbox', tabindex: 0, 'aria-label': 'Incidents', id: 'list' }), box = el('aside.panel.peek', { 'aria-label': 'Chosen incident', tabindex: 0 }), fresh = el('span', { role: 'status' });
  const frame = el('div.now', {}, el('section.panel', { 'aria-label': 'Incidents' }, el('div.tools', {}, el('h1', {}, 'Now'), seg, fresh, el('div.push', {}, search)), list), box);
  let tab = 'open', items = [], next = null, total = 0, numbers = {}, cur = 0, later = 0, loading = false, asked = 0, waiting = new Map();
  const query = after => `/v1/incidents?state=${tab}&limit=200&q=${encodeURIComponent(search.value)}` + (after ? '&after=' + encodeURIComponent(after) : '');
  async function load(keep) {
    const mine = ++asked, d = await get(query()); if (mine !== asked) return;
    setNow(d.as_of); ({ next, total } = d); numbers = { open: d.open, waits: d.waits, answered: d.answered }; waiting.clear();
    const id = items[cur]?.id; items = d.incidents; const same = keep ? items.findIndex(i => i.id === id) : -1;
    show(same >= 0 ? same : keep ? Math.min(cur, items.length - 1) : 0);
  }
  async function more() {
    if (!next || loading) return; loading = true; const mine = asked;
    try { const d = await get(query(next)); if (mine === asked) { next = d.next; const have = new Set(items.map(i => i.id)); items.push(...d.incidents.filter(i => !have.has(i.id))); pad(); paint(); } } finally { loading = false; }
  }
  const TABS = [['open', 'Open'], ['waits', 'To approve'], ['answered', 'Answered']], again = () => redraw();
  const tabs = () => seg.replaceChildren(...TABS.map(([k, t]) => el('button.b.s', { type: 'button', 'aria-pressed': String(k === tab), onclick: () => { tab = k; load(); } }, t, el('span.dim', {}, (numbers[k] || 0).toLocaleString('en')))));
  const pad = () => { const p = $('.pad', list); if (p) p.style.height = items.length * ROW() + 'px'; };
  function show(n) {
    tabs(); news(); cur = Math.max(0, n); list.removeAttribute('aria-activedescendant'); list.removeAttribute('aria-busy');
    if (!items.length) {
      const H = current(), q = search.value;
      list.replaceChildren(el('div.empty', { role: 'option', 'aria-selected': 'false' }, icon('hygiene'), el('h2', {}, q ? 'Nothing found' : tab === 'open' ? 'Nothing waits for you' : 'None'), el('p', {}, q ? 'No incident has that in its name or headline.' : H ? `Detection goes on: ${H.events.toLocaleString('en')} events from ${H.identities.toLocaleString('en')} identities so far, and alerts begin at ${oneIn(H.threshold_nats)}.` : 'Detection goes on.')));
      box.replaceChildren(el('div.empty.small', {}, 'No incident is chosen.')); return;
    }
    list.replaceChildren(el('div.pad', { role: 'presentation' })); pad(); paint(); pick(cur, true);
  }
  function redraw() { list.querySelectorAll('[data-n]').forEach(n => n.remove()); paint(); const i = items[cur]; if (i) peek(i, box, again); }
  function paint() { // only what can be seen is in the page: ten thousand incidents cost what twelve do
    const y = list.scrollTop, h = list.clientHeight || 700, from = Math.max(0, Math.floor(y / ROW()) - 2), to = Math.min(items.length, Math.ceil((y + h) / ROW()) + 2), have = new Set();
    list.querySelectorAll('[data-n]').forEach(n => { if (+n.dataset.n < from || +n.dataset.n >= to) n.remove(); else have.add(+n.dataset.n); });
    for (let n = from; n < to; n++) if (!have.has(n)) { const r = row(items[n], n, total, cur); r.style.top = n * ROW() + 'px'; list.append(r); }
    if (to > items.length - 40) more();
  }
  function pick(n, quiet) {
    const i = items[n]; if (!i) return; cur = n; const top = n * ROW(), end = top + ROW();
    if (top < list.scrollTop) list.scrollTop = top; else if (end > list.scrollTop + list.clientHeight) list.scrollTop = end - list.clientHeight;
    paint(); list.querySelectorAll('[aria-selected=true]').forEach(x => x.setAttribute('aria-selected', 'false')); $('#o' + n, list)?.setAttribute('aria-selected', 'true'); list.setAttribute('aria-activedescendant', 'o' + n);
    clearTimeout(later); const shown = () => peek(i, box, again); if (quiet && !search.value) shown(); else later = setTimeout(shown, 60); // a held key does not draw what is passed by
    if (!quiet) list.focus({ preventScroll: true });
  }
  /* nothing moves under the hand: what is new waits while the list is scrolled or a dialog is open */
  const busy = () => list.scrollTop > 0 || $('dialog[open]') || search.value || cur > 0;
  const news = () => fresh.replaceChildren(...(waiting.size ? [btn(`${waiting.size} new ↑`, '.', () => load(), '.s')] : []));
  on('incident', i => {
    const n = items.findIndex(known => known.id === i.id);
    if (n >= 0) { items[n] = i; const old = $('#o' + n, list); if (old) { const r = row(i, n, total, cur); r.style.top = n * ROW() + 'px'; old.replaceWith(r); } if (n === cur && !$('dialog[open]')) peek(i, box, again); return; }
    if (tab !== 'open' || i.verdict) return;
    if (busy()) { waiting.set(i.id, i); news(); } else load(true);
  });
  for (const kind of ['opened', 'reset']) on(kind, () => load(true));
  const open = n => { const i = items[n]; if (i) go(incidentUrl(i)); }, me = f => () => items[cur] && f(items[cur]);
  list.addEventListener('scroll', paint, { passive: true });
  list.addEventListener('click', e => { const r = e.target.closest('[data-n]'); if (r) { const n = +r.dataset.n; if (innerWidth <= 1020 || n === cur) open(n); else pick(n); } });
  search.addEventListener('input', () => load().catch(() => {}));
  const down = () => pick(Math.min(items.length - 1, cur + 1)), up = () => pick(Math.max(0, cur - 1));
  setKeys({ j: down, k: up, ArrowDown: down, ArrowUp: up, Enter: () => open(cur), o: () => open(cur), r: () => load(true), '.': () => load(), x: me(i => answer(i, 'true_positive', again)), e: me(i => answer(i, 'expected', again)), f: me(i => answer(i, 'false_positive', again)), a: me(i => approve(i, again)), i: me(i => go(subjectUrl(i))) });
  try { await load(); } catch (e) { $('#page').replaceChildren(el('h1.sr', {}, 'Now'), failed(e.message)); return; }
  main.classList.add('fit'); $('#page').replaceChildren(frame); pad(); paint(); pick(cur, true);
}
page().finally(() => { document.body.dataset.ready = '1'; });
