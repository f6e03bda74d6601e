import { $, el, failed, get, panel, setNow, when, btn } from './app.js';
import './frame.js';
import { pretty } from './parts.js';
const box = $('#page'), q = el('input', { type: 'search', placeholder: 'Who, identity, order, alert  /', 'aria-label': 'Search the audit trail' }), what = el('select', { 'aria-label': 'Type' }, ['', 'decision', 'feedback', 'approved', 'containment_done', 'containment_failed', 'containment_refused', 'containment_paused', 'containment_resumed', 'forgotten', 'upgrade', 'retention_gap'].map(w => el('option', { value: w }, w ? pretty(w) : 'everything'))), rows = el('tbody', {}), more = el('div.actions.gap', {}), chain = el('span.small', {});
const describe = e => e.type === 'decision' ? [el('b', {}, e.identity), ` ${e.decision.requested_action}`, e.decision.action !== e.decision.requested_action && ` → ${e.decision.action}`, el('span.dim', {}, ` ${e.decision.mode.replace('_', ' ')}`, e.decision.weakened_by.length && ` (${e.decision.weakened_by.join(', ')})`)] : [el('b', {}, e.by || ''), ' ', e.verdict || e.reason || e.identity_hash || '', e.order_id && el('span.dim', {}, ' order ' + e.order_id.slice(0, 8))];
const row = r => el('tr', {}, el('td.nowrap', {}, when(r.time, 'full')), el('td.nowrap', {}, pretty(r.entry.type)), el('td.wrap', {}, describe(r.entry)), el('td.nowrap.dim', {}, r.entry.alert_id && el('a', { href: '/incident/' + encodeURIComponent(r.entry.alert_id) }, r.entry.alert_id.slice(0, 6))), el('td.nowrap.dim.mono', {}, `${r.view} ${r.partition} #${r.sequence}`), el('td.mono.dim', { title: r.hash }, r.hash.slice(0, 8)), el('td', {}, el('details', {}, el('summary.small', {}, 'record'), el('pre.record', {}, JSON.stringify(r, null, 1)))));
let asked = 0;
async function load(after) {
  const mine = ++asked, d = await get(`/v1/audit?limit=100&q=${encodeURIComponent(q.value)}&what=${what.value}` + (after ? '&after=' + after : '')); if (mine !== asked) return;
  setNow(d.as_of); if (!after) rows.replaceChildren(); rows.append(...d.records.map(row));
  if (!rows.children.length) rows.append(el('tr', {}, el('td', { colspan: 7 }, 'No record has that. Detection goes on.')));
  more.replaceChildren(...(d.next ? [btn('Older records', '', () => load(d.next))] : []));
}
async function verify() {
  const d = await get('/v1/audit/verify'), bad = d.shards.filter(s => !s.whole), heads = d.shards.reduce((a, s) => a + s.heads_verified, 0);
  chain.replaceChildren(el('span.tag.' + (bad.length ? 'bad' : 'good'), {}, bad.length ? `${bad.length} of ${d.shards.length} chains broken` : `${d.shards.length} of ${d.shards.length} chains whole`), ' ', el('span.dim', {}, bad.length ? bad.map(s => `${s.view} ${s.partition}: ${s.first_bad}`).join('; ') : heads ? `${heads} signed heads verified` : 'heads are not signed, or none was seen yet'));
}
box.replaceChildren(el('div.lead', {}, el('div.say', {}, el('h1', {}, 'Audit'), el('p', {}, 'Who did what. Each record holds the hash of the one before.')), el('div.actions', {}, btn('Verify now', '', verify), el('a.b', { href: '/v1/audit?limit=500', download: 'audit.json' }, 'Export'))),
  panel('Records', chain, el('div.row.flow', {}, el('div.grow', {}, q), el('div', {}, what)), el('div.scroll', { tabindex: 0, role: 'region', 'aria-label': 'Records' }, el('table', {}, el('thead', {}, el('tr', {}, ['Time', 'What', 'About', 'Incident', 'Record', 'Hash', ''].map(h => el('th', { scope: 'col' }, h || el('span.sr', {}, 'Content'))))), rows)), more));
q.addEventListener('input', () => load()); what.addEventListener('change', () => load());
Promise.all([load(), verify()]).catch(e => box.replaceChildren(el('h1.sr', {}, 'Audit'), failed(e.message))).finally(() => { document.body.dataset.ready = '1'; });
