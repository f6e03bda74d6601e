/* The strip of vital signs and the live stream, on every page. One stream a browser: the tab that holds the lock shares it. */
import { $, DATA, R, btn, chart, el, icon, inUtc, isPaused, oneIn, pause, setNow, setPaused, span, store, sv, theme, when, zone } from './app.js';
const strip = $('.strip'), listeners = {}, channel = new BroadcastChannel('credwatch');
let heard = performance.now(), health = null, backOff = 0;
const vital = (cls, top, sub) => el('div.vital' + cls, {}, el('b', {}, top), el('span', {}, sub));
const MAX_LAG_MS = 10000, isStale = () => performance.now() - heard > 15000;
const whole = n => Math.round(n).toLocaleString('en');

function vitals() {
  const h = health; if (!h) return;
  const c = h.containment, mode = c.paused ? 'paused' : c.mode, used = h.alerts_today, rates = h.throughput.per_s, top = Math.max(...rates, 1e-9), ready = h.partitions.ready >= h.partitions.of, late = h.lag_ms > MAX_LAG_MS;
  const pm = rates.slice(-10).reduce((a, b) => a + b, 0) * 6;
  const budget = chart(64, 8, `${used} of ${h.alerts_per_day}`, R(0, 0, 64, 8, 'c-us', 3), R(0, 0, Math.min(64, 64 * used / h.alerts_per_day), 8, used > h.alerts_per_day ? 'c-w' : 'c-a', 3));
  const points = rates.map((v, i) => `${i * 1.05},${16 - 14 * v / top}`).join(' ');
  const modes = { enforce: ['Enforcing', `${whole(c.hour.used)} of ${whole(c.hour.max)} this hour`], paused: [`Paused by ${c.paused?.by}`, 'nothing is enforced'], dry_run: ['Dry run', 'nobody acts on orders'] };
  strip.replaceChildren(vital('', [el('i.dot' + (isStale() ? '.bad' : ready && !late ? '' : '.warn'), {}), isStale() ? 'Stale' : DATA.readonly ? 'Files' : late ? 'Lagging' : 'Live'], isStale() ? 'no word from the service' : h.partitions.of ? `${h.partitions.ready}/${h.partitions.of} partitions` : ''),
    vital('.mob', [sv('svg', { width: 62, height: 17, 'aria-hidden': 'true' }, sv('polyline', { points, class: 'c-la' })), `${whole(pm)}/min`], `events · ${late ? span(h.lag_ms) + ' behind' : h.lag_records ? whole(h.lag_records) + ' behind' : 'none behind'}`),
    vital('', [budget, `${used} of ${h.alerts_per_day}`], 'alerts today'),
    vital('.opt.mob', oneIn(h.threshold_nats), `threshold, ${h.threshold_nats.toFixed(1)} nats`),
    vital('.mob', [el('i.dot' + (mode === 'enforce' ? '' : '.warn'), {}), modes[mode][0]], modes[mode][1]),
    el('div.push', {}, !DATA.readonly && btn(isPaused() ? 'Resume' : 'Pause', 'p', pause, '.s.stop'), el('button.b.s.quiet', { type: 'button', id: 'zone', title: 'Time zone (u)', onclick: zone }, icon('clock'), inUtc() ? 'UTC' : 'Local'), el('button.b.s.quiet', { type: 'button', title: 'Light or dark (t)', 'aria-label': 'Light or dark', onclick: theme }, icon('theme'))));
  const waits = $('.nav .n'); if (waits) waits.textContent = h.approvals || '';
}
function notices() {
  const p = health?.containment.paused, box = $('#notices'); if (!box) return;
  const kids = [];
  if (DATA.introduction && store.get('introduced') !== DATA.introduction) kids.push(el('div.bar.info', { role: 'status' }, el('span.grow', {}, DATA.introduction), btn('Understood', '', () => { store.set('introduced', DATA.introduction); notices(); }, '.s')));
  if (isStale()) kids.push(el('div.bar.warn', { role: 'status' }, icon('clock'), el('b', {}, 'No word from the service.'), el('span', {}, 'What you see is of ', when(health?.as_of || Date.now(), 'm'), '. It is tried again.'), btn('Try now', 'r', () => location.reload(), '.s')));
  if (p) kids.push(el('div.bar.warn', { role: 'status' }, icon('pause'), el('b', {}, 'Containment is paused'), el('span', {}, `by ${p.by} since `, when(p.since, 'm'), p.reason ? `: “${p.reason}”. ` : '. ', 'Orders are published and marked; nobody may act on them.'), btn('Resume', 'p', pause, '.s')));
  box.replaceChildren(...kids);
}
function take(kind, data) {
  heard = performance.now();
  if (kind === 'health') { health = data; setNow(data.as_of); setPaused(Boolean(data.containment.paused)); vitals(); notices(); }
  (listeners[kind] || []).forEach(f => f(data));
}
const KINDS = ['health', 'incident', 'paused', 'reset'];
function open() {
  const source = new EventSource('/v1/stream'), tell = (kind, data) => { take(kind, data); channel.postMessage([kind, data]); };
  source.addEventListener('open', () => tell('opened', {})); // what changed between loading the page and this was not sent
  for (const kind of KINDS) source.addEventListener(kind, e => { backOff = 0; tell(kind, JSON.parse(e.data)); });
  source.onerror = () => { if (source.readyState !== 2) return; setTimeout(open, [1000, 2000, 5000, 10000][Math.min(3, backOff++)]); fetch('/v1/settings').then(r => { if (r.status === 401) location.href = '/login'; }).catch(() => {}); };
}
channel.onmessage = e => take(...e.data);
const on = (kind, f) => (listeners[kind] ||= []).push(f);
if (navigator.locks) navigator.locks.request('credwatch-stream', () => new Promise(() => { open(); })); else open();
setInterval(() => { if (isStale()) { vitals(); notices(); } }, 5000);
try { health = JSON.parse(DATA.health || 'null'); } catch { health = null; }
if (health) { setPaused(Boolean(health.containment.paused)); vitals(); notices(); }
export { on };
export const current = () => health;
