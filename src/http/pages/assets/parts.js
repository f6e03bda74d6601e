/* Parts that several pages share. */
import { DID, HELD, WANT, clean, clock, el, sev } from './app.js';
export const live = i => i.state === 'active' && clock() - i.last < 18e5, go = url => { location.href = url; };
export const incidentUrl = i => '/incident/' + encodeURIComponent(i.id), identityUrl = id => '/identity/' + encodeURIComponent(id), sourceUrl = id => '/source/' + encodeURIComponent(id);
export const subjectUrl = i => i.view === 'source' ? sourceUrl(i.subject.id) : identityUrl(i.subject.id);
export const region = (label, ...kids) => el('div.scroll', { tabindex: 0, role: 'region', 'aria-label': label }, ...kids);
export const table = (label, heads, rows) => region(label, el('table', {}, heads && el('thead', {}, el('tr', {}, heads.map(h => el('th', { scope: 'col' }, h || el('span.sr', {}, 'Actions'))))), el('tbody', {}, rows)));
export const lower = t => /^[A-Z][a-z]/.test(t) ? t[0].toLowerCase() + t.slice(1) : t, upper = t => t ? t[0].toUpperCase() + t.slice(1) : t;
/* what a sentence says, without the history that follows it; a client's own name may hold semicolons */
export const first = sentence => clean(sentence || '').split(/; (?:about|no history|used by attackers)/)[0];
/* the first of some identities, and how many more */
export const named = (ids, n) => ids.join(', ') + (n > ids.length ? ` and ${n - ids.length} more` : '');
export const pretty = t => (t || '').replaceAll('_', ' ');
export function sevMark(s) { const n = sev(s); n.lastChild.className = 'sr'; n.title = s; return n; }
export function done(i) {
  const o = i.order; if (!o) return el('p.small.mid', {}, 'Nothing: this is reported, and nobody is contained for it.');
  const held = o.weakened_by.filter(h => h !== 'dry_run'), steps = [el('li.on', {}, el('b', {}, 'Wanted: '), WANT[o.wanted], el('span.dim', {}, ` by “${o.policy}”`))];
  if (held.length) steps.push(el('li.held', {}, el('b', {}, 'Guardrail: '), held.map(h => (HELD[h] || h).replace('held: ', '')).join(', ')));
  const out = o.outcome;
  if (out?.what === 'failed' || out?.what === 'refused') steps.push(el('li.held', {}, el('b', {}, out.what === 'failed' ? 'Failed: ' : 'Refused: '), `${out.by} could not do it; a person is asked`));
  else if (out?.what === 'done') steps.push(el('li.on', {}, el('b', {}, 'Done: '), `${DID[o.wanted]} by ${out.by}`, out.took_ms !== null && `, ${(out.took_ms / 1000).toFixed(1)} s after the event`));
  else if (out?.what === 'approved') steps.push(el('li.on', {}, el('b', {}, 'Approved: '), `by ${out.by}; signed and sent`));
  else if (o.state === 'waits') steps.push(el('li', {}, `For ${o.identity}: signed and sent once somebody approves`));
  else if (o.state === 'dry_run') steps.push(el('li', {}, 'Dry run: published and marked, nobody acts on it'));
  else if (o.state === 'notified' || o.state === 'held') steps.push(el('li' + (held.length ? '' : '.on'), {}, held.length ? 'So: notified only' : 'Notified'));
  else steps.push(el('li', {}, 'Sent; no answer yet'));
  return el('ol.track', {}, steps);
}
