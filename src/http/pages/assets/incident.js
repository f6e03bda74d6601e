import { $, DID, KIND, WANT, HELD, VERDICT, answer, approve, at, big, clean, client, draw, el, failed, get, heat, name, oneIn, panel, rarity, setKeys, setNow, sev, usual, verdicts, when, who } from './app.js';
import { on } from './frame.js';
import { legend, timeline } from './timeline.js';
import { done, first, go, identityUrl, incidentUrl, live, pretty, sourceUrl, subjectUrl, table, upper } from './parts.js';
const main = $('main'), box = $('#page'), id = main.dataset.id;
const LISTED = ['host', 'network', 'client', 'action', 'privilege'], LEVEL = { identity: 'of its own', peers: 'of it; it is new there, so its peers are asked', population: 'of it; it is new there, so everyone is asked' };
const NAMES = { approved: 'Approved', containment_done: 'Done', containment_failed: 'Failed', containment_refused: 'Refused' };

function story(d) {
  const i = d.summary, growth = d.publications.filter(p => p.phase !== 'closed').map((p, n) => [p.time, n ? 'Evidence grew' : 'Alert opened', `${p.severity}, ${oneIn(p.nats)}`, 'ev']), closed = d.publications.filter(p => p.phase === 'closed').map(p => [p.time, 'Alert closed', 'no further evidence', '']);
  const acts = d.trail.map(x => x.what === 'decision' ? [x.time, x.weakened_by.includes('approval_required') ? 'Wanted: ' + WANT[x.wanted] : 'Decided: ' + (x.action === 'notify' ? 'notified only' : x.mode === 'dry_run' ? WANT[x.action] : DID[x.action]), x.weakened_by.length ? x.weakened_by.map(w => HELD[w] || w).join(', ') : `for ${x.identity}, “${x.policy}”`, x.weakened_by.length ? 'held' : 'on']
    : x.what === 'feedback' ? [x.time, x.detail === 'withdrawn' ? 'Answer taken back' : 'Answered: ' + (VERDICT[x.detail] || x.detail), 'by ' + x.by, 'on'] : [x.time, NAMES[x.what] || pretty(x.what), [x.by && 'by ' + x.by, x.detail].filter(Boolean).join(': '), x.what.endsWith('failed') ? 'held' : 'on']);
  for (let n = 1; n < acts.length; n++) acts[n][0] = Math.max(acts[n][0], acts[n - 1][0]); // the trail has an order, whatever its clocks say
  return [...growth, ...acts, ...closed].sort((a, b) => a[0] - b[0]).slice(0, 16);
}
function facts(d) {
  const by = Object.fromEntries(d.signals.map(x => [x.name, x])), src = d.summary.view === 'source', e0 = d.evidence[0] || {}, P = d.portrait, out = [], deeds = [...new Set(d.evidence.map(x => x.action).filter(Boolean))];
  const names = (l, f = x => x) => (l || []).slice(0, 2).map(x => f(x.name)).join(' or ');
  if (!src && e0.event_id && (by.host || by.network || by.concurrency)) out.push(['From', [e0.host, e0.country, e0.asn && 'AS' + e0.asn].filter(Boolean).join(', '), P ? [names(P.hosts), names(P.countries)].filter(Boolean).join(', ') : '']);
  if (!src && by.client && e0.client) out.push(['With', client(e0.client), P ? names(P.clients, client) : '']);
  if (!src && deeds.length && (out.length || by.action)) out.push(['Did', deeds.slice(0, 3).join(', ') + (deeds.length > 3 ? ` and ${deeds.length - 3} more` : ''), P ? names(P.actions) : '']);
  for (const x of d.signals) if (out.length < 3 && !(out.length && ['host', 'network', 'concurrency', 'client', 'action'].includes(x.name) && e0.event_id && !src)) out.push([x.label, name(x, x.observed), usual(x)]);
  return out.slice(0, 3);
}
function page(d, rows, list) {
  const i = d.summary, s = i.subject, src = i.view === 'source', all = Math.max(1, d.identities), years = Math.exp(Math.min(27.6, i.nats)) / all / 365, P = d.portrait;
  const act = el('div', {}), redraw = () => { act.replaceChildren(verdicts(i, redraw)); act.firstChild.classList.add('dock'); }; redraw();
  const steps = (k, t) => d.runbook?.[k]?.length ? el('details', { open: k === 'containment' }, el('summary.strong', {}, t, el('span.dim', {}, ' ' + d.runbook[k].length)), el('ol.steps', {}, d.runbook[k].map((x, n) => el('li', {}, el('input', { type: 'checkbox', id: k + n }), el('label', { for: k + n }, x))))) : null;
  const used = P ? P.hours[(new Date(i.opened).getUTCDay() % 6 ? 0 : 24) + new Date(i.opened).getUTCHours()] : 0, hour = P && !d.signals.some(x => x.name === 'rhythm') && el('div.row.flow', {}, heat(P.hours, [i.opened], innerWidth > 640 ? 15 : 9), el('div.notodd', {}, el('p', {}, el('b', {}, at(i.opened, 'day').slice(0, 3) + ' ' + at(i.opened, 'm')), used > .2 ? ` is an hour in which it is active, on ${Math.round(100 * Math.min(1, used))} % of such days.` : ' is hardly an hour of its own, yet that alone is not rare enough to tell.')));
  const width = Math.min(1180, Math.max(318, main.clientWidth - (innerWidth > 1260 ? 470 : innerWidth > 1020 ? 430 : innerWidth > 640 ? 84 : 52)));
  const chain = el('div', {}); if (rows) { const t = timeline({ ...d, rows }, width); chain.replaceChildren(t || el('p.small.mid', {}, 'No events of it could be read.')); } else chain.replaceChildren(el('div.bone', {}), el('div.bone.w', {}));
  box.replaceChildren(el('div.lead', {}, el('div.say', {}, el('div.crumb', {}, el('a', { href: '/' }, 'Now'), el('span', {}, '/'), el('span.mono', {}, i.id.slice(0, 6)), sev(i.severity), el('span.tag' + (live(i) ? '.ev' : ''), {}, live(i) ? 'evidence still arrives' : ['quiet since ', when(i.last, 'm')]), el('span', {}, 'opened ', when(i.opened, 'full'), ', ', when(i.opened))), el('h1.wrap', {}, i.headline), el('p.wrap', {}, upper(first(d.signals[0]?.sentence)) + '.')), act),
    el('div.panel.answers', {},
      el('section', { 'aria-label': 'Who' }, el('p.q', {}, 'Who'), el('p.big', {}, src ? el('a', { href: sourceUrl(s.id) }, s.id) : who(s)), el('dl.facts', {}, el('dt', {}, 'Kind'), el('dd', {}, KIND[s.kind] || s.kind), s.group && [el('dt', {}, 'Group'), el('dd', {}, s.group)], s.owner && [el('dt', {}, 'Owner'), el('dd', {}, s.owner)], !src && !s.owner && [el('dt', {}, 'Owner'), el('dd.dim', {}, 'nobody is named')], src && [el('dt', {}, 'Got in'), el('dd', {}, i.reached.length ? i.reached.map((r, n) => [n ? ', ' : '', el('a', { href: identityUrl(r) }, r)]) : 'nobody')], d.credential && !src && [el('dt', {}, 'Credential'), el('dd', {}, el('span.mono', {}, d.credential.id), d.credential.kind && el('span.dim', {}, ' ' + pretty(d.credential.kind)))])),
      el('section', { 'aria-label': 'What' }, el('p.q', {}, 'What was unusual'), facts(d).map(([q, a, b]) => el('dl.oe', {}, el('dt', {}, q), el('dd.o', {}, a), b && [el('dt', {}, 'usual'), el('dd.mid', {}, b)]))),
      el('section', { 'aria-label': 'How sure' }, el('p.q', {}, 'How sure'), el('p.big', {}, upper(oneIn(i.nats))), el('p.small.mid', {}, years >= 2 ? `Chance alone would show ${all.toLocaleString('en')} identities one like it in ${big(years)} years.` : `Chance alone shows ${all.toLocaleString('en')} identities one like it every ${Math.max(1, Math.round(years * 365))} days.`), rarity(i.nats, d.threshold_nats, 250), el('p.tiny.dim', {}, `${i.nats.toFixed(1)} nats, that is −ln of the chance, over ${d.signals.length} ${d.signals.length === 1 ? 'signal' : 'signals'}`)),
      el('section', { 'aria-label': 'What was done' }, el('p.q', {}, 'What was done'), done(i), el('p.q', {}, 'What to do next'), el('p.small', {}, upper(d.runbook?.containment?.[0] || 'Ask the owner whether this use is theirs')))),
    el('div.grid.side', {}, el('div.stack', {},
      panel('What was odd, against what is usual', legend('usual', 'this incident'), el('div.cards', {}, d.signals.map(x => el('div.card', {}, el('div', {}, el('div.name', {}, el('h3', {}, x.label), el('span.small.strong', {}, oneIn(x.surprise_nats))), el('dl.oe', {}, el('dt', {}, 'seen'), el('dd.o', {}, name(x, x.observed)), !LISTED.includes(x.name) && [el('dt', {}, 'usual'), el('dd.mid', {}, usual(x))]), el('p.tiny.dim', {}, x.observations ? `from ${x.observations.toLocaleString('en')} observations ${LEVEL[x.level] || ''}` : 'no history of its own')), draw(x, d) || el('span', {}))))),
      hour && panel('What was not odd', el('span.small.dim', {}, 'looked at as well'), hour),
      panel('Timeline', el('span.push', {}, legend('usual', 'evidence')), chain),
      panel(`Evidence: ${d.evidence.length} ${d.evidence.length === 1 ? 'event' : 'events'}`, el('span.small.dim', {}, d.evidence_complete ? 'coordinates and hashes stand in the audit trail' : 'the latest that could be read; all stand in the audit trail'), table('Evidence', ['Time', src ? 'Identity' : 'Action', src ? 'Outcome' : 'Host', 'Address', 'Where', 'Client', ...(src ? [] : ['Alone'])], d.evidence.slice(0, 14).map(v => el('tr', {}, el('td.nowrap', {}, when(v.time, 's')), el('td', {}, src ? el('a', { href: identityUrl(v.identity) }, v.identity) : v.action || v.activity), el('td.nowrap', {}, src ? v.outcome : v.host), el('td.mono', {}, v.ip), el('td.nowrap', {}, [v.country, v.asn && 'AS' + v.asn].filter(Boolean).join(' ')), el('td.dim.nowrap', { title: v.client }, v.client && client(v.client)), !src && el('td.nowrap' + (v.nats > 2 ? '.ev' : '.dim'), {}, v.nats === null ? '' : v.nats < .7 ? 'usual' : oneIn(v.nats))))), d.evidence.length > 14 && el('p.small.dim', {}, `and ${d.evidence.length - 14} more`))),
    el('div.stack', {}, panel('What to do next', d.runbook?.name && el('span.tag', {}, d.runbook.name), steps('containment', 'Contain'), steps('preserve', 'Keep'), steps('review', 'Ask afterwards'), steps('controls', 'Make it harder')),
      panel('What happened', null, el('ol.track', {}, story(d).map(([t, a, b, c]) => el('li' + (c && '.' + c), {}, when(t, 's'), ' ', el('b', {}, a), el('div.dim', {}, b))))),
      d.attacks?.length ? panel('ATT&CK', null, el('ul.small', {}, d.attacks.map(a => el('li', {}, el('span.mono', {}, a.sub_technique?.uid || a.technique.uid), ' ', a.technique.name, a.sub_technique && ': ' + a.sub_technique.name)))) : null,
      panel('Seen before', null, d.history.length ? el('ul.small', {}, d.history.slice(0, 5).map(h => el('li', {}, when(h.opened, 'day'), ' ', el('a', { href: incidentUrl(h) }, h.headline), ' ', el('span.dim', {}, h.verdict ? VERDICT[h.verdict.verdict] : 'open')))) : el('p.small.mid', {}, 'No other incident of it.')))));
  const here = list.findIndex(x => x.id === i.id), to = n => { if (list[n]) go(incidentUrl(list[n])); };
  setKeys({ j: () => to(here + 1), k: () => to(Math.max(0, here - 1)), r: load, x: () => answer(i, 'true_positive', redraw), e: () => answer(i, 'expected', redraw), f: () => answer(i, 'false_positive', redraw), a: () => approve(i, redraw), i: () => go(subjectUrl(i)) });
  main.classList.add('has-dock'); document.title = `${clean(s.id)}: ${clean(i.headline)} · credwatch`;
}
const point = (r, evidence) => [r.time, r.host, r.country, r.action || r.activity, r.outcome !== 'success' ? 1 : 0, r.nats, evidence.has(r.event_id) ? 1 : 0];
async function load() {
  try {
    const [d, list] = await Promise.all([get('/v1/incidents/' + encodeURIComponent(id)), get('/v1/incidents?state=open&limit=500')]);
    setNow(d.as_of); const evidence = new Set(d.evidence.map(e => e.event_id));
    page(d, null, list.incidents);
    const t = await get(`/v1/incidents/${encodeURIComponent(id)}/timeline?before=72h`).catch(() => ({ events: d.evidence }));
    page(d, t.events.map(r => point(r, evidence)), list.incidents);
  } catch (e) { box.replaceChildren(el('h1.sr', {}, 'Incident'), failed(e.message, load)); }
}
on('reset', () => { if (!$('dialog[open]')) load(); });
on('incident', i => { if (i.id === id && !$('dialog[open]')) load(); });
load().finally(() => { document.body.dataset.ready = '1'; });
