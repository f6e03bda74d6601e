import { $, WANT, el, failed, get, icon, may, oneIn, panel, refused, send, setKeys, setNow, sev, toast, when, ask, btn } from './app.js';
import { on } from './frame.js';
import { go, identityUrl } from './parts.js';
const box = $('#page');
let orders = [], cur = 0;
const approve = o => may('approve') ? ask('Approve: ' + WANT[o.order.wanted], `For ${o.order.identity}: ${WANT[o.order.wanted]}. The order is signed, sent, and void 15 minutes after. You are named in the audit trail.`, why => send('/v1/feedback', { approve: o.order.order_id, reason: why }).then(() => { toast('Approved and sent'); load(); }).catch(refused), true, 'Approve') : toast('Approving takes the role approver');
const decline = o => may('answer') ? ask('Decline', `The alert on ${o.order.identity} is answered as expected; the order is not sent.`, why => send('/v1/feedback', { alert_id: o.alert_id, verdict: 'expected', reason: why }).then(() => { toast('Declined'); load(); }).catch(refused), true, 'Decline') : toast('Answering takes the role analyst');
function page() {
  cur = Math.min(cur, Math.max(0, orders.length - 1));
  box.replaceChildren(el('div.lead', {}, el('div.say', {}, el('h1', {}, 'Approvals'), el('p', {}, orders.length ? `${orders.length} ${orders.length === 1 ? 'order waits' : 'orders wait'} for a person. Nothing is sent before.` : 'Orders that the policy wants a person to confirm stand here.'))),
    orders.length ? el('ul.stack', { 'aria-label': 'Orders' }, orders.map((o, n) => el('li.panel', { 'data-n': n, 'aria-current': n === cur ? 'true' : null }, el('div.body.row.flow', {}, el('div.grow', {}, el('div.row.flow', {}, sev(o.severity), el('b.big', {}, `${WANT[o.order.wanted]}: `, el('a', { href: identityUrl(o.order.identity) }, o.order.identity))), el('p.wrap', {}, el('a', { href: '/incident/' + encodeURIComponent(o.alert_id) }, o.headline), el('span.dim', {}, ` · ${oneIn(o.nats)} · by “${o.order.policy}” · waits since `, when(o.order.time)))), el('div.actions.push', {}, btn('Approve', n === cur ? 'a' : '', () => approve(o), '.main'), btn('Decline', n === cur ? 'd' : '', () => decline(o))))))) : panel('Nothing waits', null, el('div.empty', {}, icon('approve'), el('h2', {}, 'Nothing waits for a signature'), el('p', {}, 'Detection goes on. Orders below the severity of containment.require_approval_from need none.'))));
  box.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' });
}
const step = d => () => { cur = Math.max(0, Math.min(orders.length - 1, cur + d)); page(); };
setKeys({ j: step(1), k: step(-1), a: () => orders[cur] && approve(orders[cur]), d: () => orders[cur] && decline(orders[cur]), Enter: () => orders[cur] && go('/incident/' + encodeURIComponent(orders[cur].alert_id)) });
const load = () => get('/v1/approvals').then(d => { setNow(d.as_of); orders = d.orders; page(); }).catch(e => box.replaceChildren(el('h1.sr', {}, 'Approvals'), failed(e.message, load)));
for (const kind of ['incident', 'opened', 'reset']) on(kind, () => { if (!$('dialog[open]')) load(); });
load().finally(() => { document.body.dataset.ready = '1'; });
