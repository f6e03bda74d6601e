/* credwatch console, the part that ships: parts, charts, keys, answers. Vanilla, no dependency.
   Every string from outside reaches the page as a text node, never as markup. */
const $ = (q, of = document) => of.querySelector(q), Q = new URLSearchParams(location.search), DATA = document.body.dataset, MAY = (DATA.may || '').split(' '), may = right => MAY.includes(right);
const ICONS = new URL('icons.svg', import.meta.url).pathname + '#';
const SVGNS = 'http://www.w3.org/2000/svg', store = { get: k => { try { return localStorage.getItem(k); } catch { return null; } }, set: (k, v) => { try { localStorage.setItem(k, v); } catch { /* private mode */ } } };
/* control, bidirectional and invisible characters are shown by number: a name cannot dress up as another */
const clean = s => String(s ?? '').replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, c => '⟨' + c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0') + '⟩');
function fill(node, kids) { for (const k of kids.flat(9)) if (k !== null && k !== undefined && k !== false) node.append(k.nodeType ? k : document.createTextNode(clean(k))); return node; }
function put(node, at) { for (const [k, v] of Object.entries(at || {})) { if (v === null || v === undefined || v === false) continue; if (k.startsWith('on')) node.addEventListener(k.slice(2), v); else node.setAttribute(k, v === true ? '' : clean(v)); } return node; }
const el = (tag, at, ...kids) => { const [t, ...c] = tag.split('.'); const n = put(document.createElement(t || 'div'), at); if (c.length) n.classList.add(...c); return fill(n, kids); };
const sv = (tag, at, ...kids) => fill(put(document.createElementNS(SVGNS, tag), at), kids);
const chart = (w, h, label, ...kids) => sv('svg', { viewBox: `0 0 ${w} ${h}`, width: w, height: h, role: label ? 'img' : null, 'aria-label': label || null, 'aria-hidden': label ? null : 'true' }, ...kids);
const T = (x, y, t, c = 'c-t', a = 'start') => sv('text', { x, y, class: c, 'text-anchor': a }, t), R = (x, y, w, h, c, r = 0) => sv('rect', { x, y, width: Math.max(0, w), height: h, class: c, rx: r }), L = (x1, y1, x2, y2, c = 'c-line') => sv('line', { x1, y1, x2, y2, class: c });
const icon = n => sv('svg', { viewBox: '0 0 16 16', class: 'i', 'aria-hidden': 'true' }, sv('use', { href: ICONS + n }));
const kindIcon = k => icon(k === 'human' ? 'person' : k === 'network' ? 'network' : 'service'), KIND = { human: 'person', service: 'service', workload: 'workload', automation: 'automation', network: 'source network' };

/* numbers and time */
const SEV = ['informational', 'low', 'medium', 'high', 'critical'];
const big = n => n >= 1e9 ? trim(n / 1e9) + ' billion' : n >= 1e6 ? trim(n / 1e6) + ' million' : Math.round(n >= 1000 ? +n.toPrecision(2) : n).toLocaleString('en');
const trim = x => x >= 10 ? Math.round(x) : +x.toFixed(1), oneIn = nats => nats >= 27.6 ? 'rarer than 1 in a trillion' : '1 in ' + big(Math.exp(nats));
let NOW = Date.now(), LOADED = performance.now(), ZONE = Q.get('tz') ? 'local' : store.get('zone') || 'utc';
const clock = () => NOW + performance.now() - LOADED;
const opt = () => ZONE === 'utc' ? { timeZone: 'UTC' } : Q.get('tz') ? { timeZone: Q.get('tz') } : {};
const HOW = { day: { weekday: 'short', day: 'numeric', month: 'short' }, s: { hour: '2-digit', minute: '2-digit', second: '2-digit' }, m: { hour: '2-digit', minute: '2-digit' }, full: { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' } }, made = {};
const at = (t, how) => (made[how + ZONE] ||= new Intl.DateTimeFormat('en-GB', { ...(HOW[how] || HOW.full), hourCycle: 'h23', ...opt() })).format(t).replace(',', how === 'day' ? '' : ',');
const span = ms => { const s = ms / 1000; return s < 90 ? Math.round(s) + ' s' : s < 5400 ? Math.round(s / 60) + ' min' : s < 172800 ? Math.round(s / 3600) + ' h' : Math.round(s / 86400) + ' d'; };
const ago = t => { const d = clock() - t; return d < 5000 ? 'just now' : span(d) + ' ago'; };
const when = (t, how) => { const n = el('time', { datetime: new Date(t).toISOString(), 'data-t': t, 'data-how': how || 'ago' }); tick(n); return n; };
function tick(n) { const t = +n.dataset.t, h = n.dataset.how; n.textContent = h === 'ago' ? ago(t) : at(t, h); n.title = at(t, 'full') + (ZONE === 'utc' ? ' UTC' : ' local') + ' · ' + ago(t); }
const retime = () => document.querySelectorAll('time[data-t]').forEach(tick);

/* small parts */
const sev = s => { const n = SEV.indexOf(s); return el('span.sev.' + s, {}, sv('svg', { viewBox: '0 0 14 14', 'aria-hidden': 'true' }, [1, 2, 3, 4].map(k => sv('rect', { x: (k - 1) * 3.6, y: 11 - k * 2.5, width: 2.6, height: 2 + k * 2.5, rx: .6, fill: 'currentColor', 'fill-opacity': k <= n ? 1 : .22 }))), el('span', {}, s)); };
const nameOf = s => s.kind === 'human' && s.owner && !s.id.includes(s.owner) ? s.owner : s.id;
const who = (s, link = true) => { const b = link && s.kind !== 'network' ? el('a', { href: '/identity/' + encodeURIComponent(s.id) }, s.id) : el('b', {}, s.id); return b; };
const HELD = { approval_required: 'waits for a person', protected: 'held: protected identity', exception: 'held: exception', cooldown: 'held: cooling down', blast_radius: 'held: too many at once', rate_cap: 'held: hourly limit', dry_run: 'dry run', paused: 'held: paused', unattributed: 'held: others could have caused it', learning: 'held: still learning' };
const DID = { notify: 'notified', step_up: 'asked for a second factor', rotate: 'key rotated', revoke: 'credential ended', suspend: 'account suspended' }, WANT = { notify: 'notify somebody', step_up: 'ask for a second factor', rotate: 'rotate the key', revoke: 'end the credential', suspend: 'suspend the account' };
function orderTag(o) {
  if (!o) return el('span.tag', {}, 'no order');
  if (o.state === 'waits') return el('span.tag.warn', {}, icon('clock'), 'approve: ' + o.wanted);
  if (o.state === 'held') return el('span.tag.warn', {}, icon('pause'), HELD[o.weakened_by[0]] || 'held');
  if (o.state === 'dry_run') return el('span.tag', {}, icon('eye'), 'dry run: ' + o.wanted);
  if (o.outcome?.what === 'failed') return el('span.tag.bad', {}, o.action + ' failed');
  if (o.outcome?.what === 'approved') return el('span.tag.good', {}, icon('approve'), 'approved');
  return o.action === 'notify' ? el('span.tag', {}, 'notified only') : el('span.tag.good', {}, icon('approve'), DID[o.action]);
}
const VERDICT = { true_positive: 'attack', false_positive: 'false positive', expected: 'expected' };
const btn = (label, key, act, cls = '') => el('button.b' + cls, { type: 'button', onclick: act }, label, key && el('kbd', { 'aria-hidden': 'true' }, key));
const panel = (title, extra, ...kids) => el('section.panel', { 'aria-label': title }, el('header', {}, el('h2', {}, title), extra), el('div.body', {}, ...kids));
const tipOn = (n, text) => { n.addEventListener('pointerenter', e => tip(text, e)); n.addEventListener('pointerleave', () => tip()); return n; };
function tip(text, e) { $('.tip')?.remove(); if (!text) return; const t = el('div.tip', {}, ''); t.textContent = text.split('\n').map(clean).join('\n'); document.body.append(t); const w = t.offsetWidth; t.style.left = Math.min(innerWidth - w - 8, Math.max(8, e.clientX - w / 2)) + 'px'; t.style.top = Math.max(8, e.clientY - t.offsetHeight - 12) + 'px'; }
function toast(text, undo) { $('.toast')?.remove(); const t = el('div.toast', { role: 'status' }, el('span', {}, text), undo && el('button', { type: 'button', onclick: () => { undo(); t.remove(); } }, 'Undo (z)')); t.undo = undo; document.body.append(t); setTimeout(() => t.remove(), 8000); }

/* charts: grey is what is usual, one colour is what was odd */
function rarity(nats, from, w = 300) {
  const max = 12, x = n => 6 + (w - 12) * Math.min(1, n / Math.LN10 / max), g = [L(6, 26, w - 6, 26, 'c-axis')];
  for (const [d, t] of [[0, '1'], [3, 'thousand'], [6, 'million'], [9, 'billion']]) g.push(L(x(d * Math.LN10), 23, x(d * Math.LN10), 29, 'c-axis'), T(x(d * Math.LN10), 42, t, 'c-t', d ? 'middle' : 'start'));
  const far = x(nats) > w - 78 ? 'end' : x(nats) < 60 ? 'start' : 'middle';
  return chart(w, 46, `${oneIn(nats)}; alerts begin at ${oneIn(from)}`, R(6, 24, x(from) - 6, 4, 'c-us', 2), R(x(from), 24, x(nats) - x(from), 4, 'c-e', 2), g, L(x(from), 17, x(from), 33, 'c-th'), T(x(from), 12, 'alerts begin', 'c-t', 'middle'), sv('circle', { cx: x(nats), cy: 26, r: 5.5, class: 'c-e' }), Math.abs(x(nats) - x(from)) > 70 && T(x(nats) + (far === 'end' ? 6 : 0), 12, 'this', 'c-te', far));
}
/* «a (50 %), b (20 %) and 3 more», as the engine says it, taken apart */
const parts = expected => [...clean(expected).matchAll(/(.+?) \((\d+) %\)(?:, | and |$)/g)].map(m => [m[1], +m[2]]);
const OS = [['iPhone', 'iPhone'], ['Android', 'Android'], ['Mac', 'macOS'], ['Windows', 'Windows'], ['Linux', 'Linux']], WEB = [['Edg', 'Edge'], ['Firefox', 'Firefox'], ['Chrome', 'Chrome'], ['Safari', 'Safari']];
const client = n => { n = clean(n); if (!/^Mozilla/.test(n)) return n.split(/[/ (]/)[0] || n; const f = l => (l.find(([k]) => n.includes(k)) || ['', ''])[1]; return [f(WEB) || 'Browser', f(OS)].filter(Boolean).join(' on '); };
const name = (s, n) => s.name === 'client' || s.name === 'concurrency' ? client(n) : clean(n);
const usual = s => { const l = parts(s.expected).filter(r => r[1] > 0).slice(0, 3).map(r => `${name(s, r[0])} ${r[1]} %`); return l.length ? l.join(', ') : clean(s.expected); };
function bars(s, max = 4) {
  const all = parts(s.expected), observed = name(s, s.observed), more = /and (\d+) more/.exec(s.expected);
  const rows = all.map(r => [name(s, r[0]), r[1]]).filter(r => r[0] !== observed && r[1] > 0).slice(0, max), known = all.find(r => r[0] === s.observed);
  if (!rows.length) return null;
  const bar = n => chart(96, 8, n + ' %', R(0, 0, 96, 8, 'c-us', 2), R(0, 0, Math.max(2, .96 * n), 8, 'c-u', 2));
  return el('table.bars', {}, el('tbody', {}, rows.map(([n, p]) => el('tr', {}, el('td.cut', { title: n }, n), el('td', {}, bar(p)), el('td', {}, p + ' %'))), observed && el('tr.new', {}, el('td.cut', { title: observed }, observed), el('td', {}, chart(96, 8, 'new', R(0, 0, 96, 8, 'c-es', 2), sv('circle', { cx: 4, cy: 4, r: 4, class: 'c-e' }))), el('td.ev', {}, known && known[1] ? known[1] + ' %' : 'new')), more && el('tr', {}, el('td.dim', {}, `and ${more[1]} more`), el('td', {}), el('td', {}))));
}
/* 24 hours of working days and 24 of weekends, which is what it is judged by */
function heat(hours, marks = [], cell = 11) {
  const noon = Math.floor(clock() / 864e5) * 864e5 + 432e5, off = +at(noon, 'm').slice(0, 2) - 12, top = Math.max(...hours, 1e-9), w = 62 + 24 * (cell + 1), g = [];
  ['Weekdays', 'Weekends'].forEach((name, d) => { g.push(T(0, cell - 1 + d * (cell + 1), name)); for (let h = 0; h < 24; h++) { const n = hours[d * 24 + (h - off + 48) % 24]; g.push(tipOn(R(62 + h * (cell + 1), 1 + d * (cell + 1), cell, cell, 'h' + (n > .02 ? Math.min(4, 1 + Math.floor(3.99 * Math.sqrt(n / top))) : 0), 2), `${name} ${String(h).padStart(2, '0')}:00: active on ${Math.round(100 * Math.min(1, n))} % of days`)); } });
  for (const t of marks.slice(0, 4)) { const day = new Date(t).getUTCDay(), d = day % 6 ? 0 : 1, h = (new Date(t).getUTCHours() + off + 24) % 24; g.push(sv('rect', { x: 60 + h * (cell + 1), y: -1 + d * (cell + 1) + 1, width: cell + 4, height: cell + 3, rx: 3, class: 'c-ring' })); }
  for (const h of [0, 6, 12, 18]) g.push(T(62 + h * (cell + 1), 13 + 2 * (cell + 1), String(h).padStart(2, '0')));
  return chart(w, 18 + 2 * (cell + 1), 'Active hours of weekdays and weekends; the ringed cell is the event', g);
}
/* a lognormal curve of what is usual, its 95 % range, and what was seen */
function curve(usual, seen, label, show, ticks) {
  const w = 268, sd = Math.max(.15, usual.sd_log), lo = Math.min(usual.mean_log - 3 * sd, Math.log(Math.max(seen ?? 1e9, 1e-3)) - .5), hi = Math.max(usual.mean_log + 3 * sd, Math.log(Math.max(seen ?? 1e-9, 1e-3)) + .4), x = v => 6 + (w - 12) * (v - lo) / (hi - lo), y = v => 58 - 44 * Math.exp(-(((v - usual.mean_log) / sd) ** 2) / 2), pts = [];
  for (let k = 0; k <= 60; k++) { const v = lo + (hi - lo) * k / 60; pts.push(`${x(v).toFixed(1)} ${y(v).toFixed(1)}`); }
  const a = x(usual.mean_log - 1.96 * sd), b = x(usual.mean_log + 1.96 * sd), sx = seen == null ? 0 : x(Math.log(Math.max(seen, 1e-3)));
  let last = -99; const marks = ticks.filter(t => Math.log(t) >= lo && Math.log(t) <= hi && x(Math.log(t)) - last > 44 && (last = x(Math.log(t))));
  return chart(w, 76, label, sv('path', { d: 'M' + pts.join('L') + `L${w - 6} 58L6 58Z`, class: 'c-us' }), R(a, 56, b - a, 4, 'c-u', 2), L(2, 60, w, 60, 'c-axis'), marks.map(t => T(x(Math.log(t)), 73, show(t), 'c-t', 'middle')), seen != null && [sv('path', { d: `M${sx} 14V54`, class: 'c-le' }), sv('circle', { cx: sx, cy: 56, r: 4.5, class: 'c-e' }), T(sx, 10, show(seen), 'c-te', sx > w - 30 ? 'end' : sx < 30 ? 'start' : 'middle')]);
}
const SECS = [1, 10, 60, 600, 3600, 14400, 86400, 604800, 2592000], NUMBERS = [1, 3, 10, 30, 100, 300, 1000, 3000, 10000];
const lifetimes = (list, secs) => { const l = [...list].sort((a, b) => b.n - a.n)[0]; return l && curve(l, secs, 'Token lifetimes: usual, and this one', v => span(v * 1000), SECS); };
const counts = (usual, seen, unit) => usual && curve(usual, seen, `${unit}: usual, and ${seen}`, v => String(Math.round(v)), NUMBERS);
function share(bad, of, usual) { const w = 268, n = Math.min(of, 52), per = 26, g = []; for (let i = 0; i < n; i++) g.push(R(2 + (i % per) * 10, 16 + Math.floor(i / per) * 11, 8, 8, i < Math.round(n * bad / of) ? 'c-e' : 'c-u', 2)); const y = 22 + Math.ceil(n / per) * 11; return chart(w, y + 22, `${bad} of ${of} failed; usually ${usual} %`, T(2, 10, `${bad} of ${of} failed`, 'c-te'), g, R(2, y + 4, 258, 5, 'c-us', 2), R(2, y + 4, 2.580 * usual, 5, 'c-u', 2), T(2, y + 20, `usually ${usual} %`)); }
function twoPlaces(a, b, gap) { const w = 268; return chart(w, 74, `${a}, then ${b}, ${gap} apart`, L(14, 18, w - 6, 18), L(14, 56, w - 6, 56), [20, 34, 60, 74, 96].map(x => sv('circle', { cx: x, cy: 18, r: 3, class: 'c-u' })), sv('path', { d: 'M102 20L122 52', class: 'c-le', 'stroke-dasharray': '2 2' }), [124, 136, 150, 158].map(x => sv('circle', { cx: x, cy: 56, r: 4, class: 'c-e' })), T(w - 6, 12, a.slice(0, 24), 'c-t', 'end'), T(w - 6, 50, b.slice(0, 22), 'c-te', 'end'), T(122, 38, gap, 'c-t2')); }
const MIN = { s: 1 / 60, min: 1, h: 60, day: 1440, days: 1440 }, mins = t => { const m = /([\d.]+) (s|min|h|days?)\b/.exec(t || ''); return m ? m[1] * MIN[m[2]] : null; };
function durations(usual, seen) { const a = mins(usual), b = mins(seen); if (!a || !b) return null; const w = 268, lo = Math.min(a, b, 1 / 20), hi = Math.max(a, b, 1440), x = v => 8 + (w - 16) * Math.log(v / lo) / Math.log(hi / lo); return chart(w, 56, `usually ${usual}, here ${seen}`, L(6, 28, w - 6, 28, 'c-axis'), [[1 / 60, '1 s'], [1, '1 min'], [60, '1 h'], [1440, '1 d']].filter(p => p[0] >= lo && p[0] <= hi).map(([v, t]) => [L(x(v), 25, x(v), 31, 'c-axis'), T(x(v), 44, t, 'c-t', 'middle')]), sv('circle', { cx: x(a), cy: 28, r: 6, class: 'c-u' }), sv('circle', { cx: x(b), cy: 28, r: 5, class: 'c-e' }), T(x(a), 16, 'usual', 'c-t', x(a) > w - 40 ? 'end' : 'middle'), T(x(b), 16, 'this', 'c-te', x(b) < 30 ? 'start' : 'middle')); }
function ended(text) { const m = /used (.+?) after it (.+)/.exec(text) || [0, '', 'ended']; return chart(268, 56, text, R(6, 25, 150, 6, 'c-u', 3), L(156, 14, 156, 42, 'c-th'), T(156, 10, m[2].replace('was ', ''), 'c-t', 'middle'), sv('path', { d: 'M156 28H226', class: 'c-le', 'stroke-dasharray': '3 3' }), sv('circle', { cx: 230, cy: 28, r: 5, class: 'c-e' }), T(230, 48, m[1] + ' later', 'c-te', 'middle'), T(6, 48, 'its life')); }
function draw(s, d) {
  const P = d.portrait, n = parseInt((/\d+/.exec(s.observed) || [0])[0], 10);
  switch (s.name) {
    case 'rhythm': return P && heat(P.hours, [d.summary.opened], 8.3);
    case 'token_lifetime': { const m = mins(s.observed); return P?.lifetimes.length ? lifetimes(P.lifetimes, m === null ? null : m * 60) : durations(s.expected, s.observed); }
    case 'rate': return P && counts(P.rate, n, 'Uses in an hour');
    case 'fan_out': return P && counts(P.fan_out, n, 'Distinct actions and resources in an hour');
    case 'failure': { const m = /(\d+) of (\d+)/.exec(s.observed), u = /([\d.]+) %/.exec(s.expected); return m && share(+m[1], +m[2], u ? +u[1] : 0); }
    case 'concurrency': { const e = d.evidence[0] || {}, g = /last used ([^,]+?)(?: ago|$|,)/.exec(s.sentence), h = P?.hosts?.find(x => x.name !== e.host); return twoPlaces(h?.name || 'where first used', e.host || client(s.observed), g ? g[1] + ' later' : ''); }
    case 'credential_age': return ended(s.observed);
    case 'refresh': case 'dormancy': return durations(s.expected, s.observed);
    default: return bars(s);
  }
}

function theme() { const d = document.documentElement, t = d.dataset.theme === 'dark' ? 'light' : 'dark'; d.dataset.theme = t; store.set('theme', t); }
function zone() { ZONE = ZONE === 'utc' ? 'local' : 'utc'; store.set('zone', ZONE); location.reload(); }
function ask(title, text, go, need, label) {
  const f = el('textarea', { rows: 3, id: 'why', 'aria-label': 'Reason' }), d = el('dialog', { 'aria-labelledby': 'dt' }, el('div.in', {}, el('h2', { id: 'dt' }, title), el('p.mid', {}, text), el('label.small.mid', { for: 'why' }, need ? 'Why (stands in the audit trail)' : 'Why (optional, stands in the audit trail)'), f, el('div.actions', {}, btn('Cancel', 'Esc', () => d.close(), '.quiet'), btn(label || title, '', () => { if (need && !f.value.trim()) { f.focus(); return; } d.close(); go(f.value); }, '.main'))));
  document.body.append(d); d.addEventListener('close', () => d.remove()); d.showModal(); f.focus();
}
const send = async (path, body) => { const r = await fetch(path, { method: 'POST', headers: { 'X-Credwatch': '1', 'Content-Type': 'application/json' }, body: JSON.stringify(body) }); const answer = await r.json().catch(() => ({})); if (r.status === 401) location.href = '/login'; if (!r.ok) throw new Error(answer.detail || `${r.status}`); return answer; };
const refused = e => toast('Not done: ' + e.message);
let PAUSED = DATA.paused === '1';
function pause() {
  if (!may('pause')) return toast('Pausing takes the role approver or admin');
  if (PAUSED) return ask('Resume containment', 'Orders are enforced again, in every instance within seconds.', why => send('/v1/containment/resume', { reason: why || null }).then(() => toast('Containment resumes')).catch(refused));
  ask('Pause containment', 'Stops enforcement in every instance within seconds. Orders go on being published, marked as dry run.', why => send('/v1/containment/pause', { reason: why }).then(() => toast('Containment is paused')).catch(refused), true);
}
function help() {
  const k = [['j  k', 'next, previous incident'], ['Enter', 'open'], ['x', 'this was an attack'], ['e', 'expected: unusual, but meant'], ['f', 'false positive: learn it as normal'], ['z', 'take the last answer back'], ['a', 'approve the waiting order'], ['o  i', 'open it, its identity'], ['/', 'search'], ['u', 'UTC or local time'], ['t', 'light or dark'], ['p', 'pause or resume containment'], ['g n', 'go to Now; g h hygiene, g a approvals, g l audit log, g s settings'], ['?', 'this list']];
  const d = el('dialog', { 'aria-labelledby': 'kt' }, el('div.in', {}, el('h2', { id: 'kt' }, 'Keys'), el('dl.keys', {}, k.map(([a, b]) => [el('dt', {}, a.split(/ +/).map(x => el('kbd', {}, x))), el('dd', {}, b)])), el('div.actions', {}, btn('Close', 'Esc', () => d.close(), '.main')))); document.body.append(d); d.addEventListener('close', () => d.remove()); d.showModal();
}
const get = async path => { const r = await fetch(path); if (r.status === 401) { location.href = '/login'; } const body = await r.json().catch(() => ({})); if (!r.ok) { const e = new Error(body.detail || `${r.status} for ${path}`); e.status = r.status; throw e; } return body; };
const failed = (why, again) => el('div.panel', {}, el('div.empty', { role: 'alert' }, icon('incident'), el('h2', {}, 'This could not be read'), el('p', {}, why), el('p.small.dim', {}, 'Detection goes on; only this page has no answer.'), el('p', {}, btn('Try again', 'r', again || (() => location.reload()), '.main'))));
function answer(i, v, after) {
  if (!may('answer')) return toast(DATA.readonly ? 'These are files: an answer would teach nobody' : 'Answering takes the role analyst');
  const old = i.verdict, undo = () => { i.verdict = old; after?.(); };
  i.verdict = { verdict: v, by: DATA.name, at: clock() }; after?.();
  send('/v1/feedback', { alert_id: i.id, verdict: v }).then(() => toast(`${i.subject.id}: ${VERDICT[v]}. ${v === 'true_positive' ? 'Its traces are unlearned.' : 'It is learned as usual.'}`, () => withdraw(i, after))).catch(e => { undo(); refused(e); });
}
const withdraw = (i, after) => { const old = i.verdict; i.verdict = null; after?.(); send('/v1/feedback', { alert_id: i.id, verdict: 'withdrawn' }).catch(e => { i.verdict = old; after?.(); refused(e); }); };
function approve(i, after) {
  const o = i.order; if (o?.state !== 'waits') return;
  if (!may('approve')) return toast('Approving takes the role approver');
  ask('Approve: ' + WANT[o.wanted], `For ${o.identity}. The order is then signed and sent; you are named in the audit trail.`, why => { o.state = 'sent'; after?.(); send('/v1/feedback', { approve: o.order_id, reason: why }).then(() => toast('Approved and sent')).catch(e => { o.state = 'waits'; after?.(); refused(e); }); }, true, 'Approve');
}
const verdicts = (i, after) => i.verdict ? el('div.row.flow', {}, el('span.tag.good', {}, icon('approve'), `${VERDICT[i.verdict.verdict]}, by ${i.verdict.by}`), may('answer') && el('button.b.s.quiet', { type: 'button', onclick: () => withdraw(i, after) }, 'Take back')) : !may('answer') ? el('p.small.dim', {}, DATA.readonly ? 'Files are read only.' : 'You may read, not answer.') : el('div.actions', {}, i.order?.state === 'waits' && may('approve') && btn('Approve order', 'a', () => approve(i, after), '.main'), btn('Attack', 'x', () => answer(i, 'true_positive', after), i.order?.state === 'waits' ? '' : '.main'), btn('Expected', 'e', () => answer(i, 'expected', after)), btn('False positive', 'f', () => answer(i, 'false_positive', after)));

let KEYS = {};
const setKeys = k => { KEYS = k; }, setNow = t => { NOW = t; LOADED = performance.now(); }, inUtc = () => ZONE === 'utc', isPaused = () => PAUSED, setPaused = v => { PAUSED = v; };
setNow(+DATA.now || Date.now());
document.documentElement.dataset.theme = Q.get('theme') || store.get('theme') || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
const GO = { n: '/', h: '/hygiene', a: '/approvals', l: '/audit', t: '/tuning', s: '/settings' };
let g = 0;
addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName) && e.key !== 'Escape' || $('dialog[open]')) return;
  if (store.get('keys') === 'off' && /^[a-z?.]$/.test(e.key)) return;
  if (e.key === 'Enter' && e.target.closest?.('button, a, summary') || /^Arrow/.test(e.key) && e.target.closest?.('.peek, .scroll')) return;
  const k = e.key, K = KEYS;
  if (g && performance.now() - g < 900 && GO[k]) { location.href = GO[k]; return; } g = 0;
  if (k === 'g') g = performance.now(); else if (k === '?') help(); else if (k === 't') theme(); else if (k === 'u') zone(); else if (k === 'p') pause(); else if (k === 'z') { const t = $('.toast'); if (t?.undo) { t.undo(); t.remove(); } } else if (k === '/') { const s = $('input[type=search]'); if (s) { s.focus(); e.preventDefault(); } } else if (k === 'Escape') document.activeElement.blur(); else if (K[k]) { K[k](e); e.preventDefault(); }
});
setInterval(retime, 5000);
export { $, DATA, DID, HELD, KIND, L, R, T, VERDICT, WANT, answer, approve, ask, at, big, btn, chart, clean, client, clock, draw, el, failed, get, heat, icon, inUtc, isPaused, kindIcon, lifetimes, may, name, nameOf, oneIn, orderTag, panel, pause, rarity, refused, send, setKeys, setNow, setPaused, sev, span, store, sv, theme, tipOn, toast, usual, verdicts, when, who, zone };
