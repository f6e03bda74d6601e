import { $, el, failed, get, inUtc, panel, setNow, store, theme, zone, btn } from './app.js';
import './frame.js';
import { pretty } from './parts.js';
const box = $('#page'), RIGHTS = { read: 'read', answer: 'answer alerts', approve: 'approve orders', pause: 'pause containment', forget: 'let identities be forgotten' };
function page(d) {
  const rows = [...d.configuration].sort((a, b) => (a.default == null) - (b.default == null)), own = rows.filter(r => r.default != null).length;
  const keys = el('input', { type: 'checkbox', id: 'keys', checked: store.get('keys') !== 'off' }); keys.addEventListener('change', () => store.set('keys', keys.checked ? 'on' : 'off'));
  box.replaceChildren(el('div.lead', {}, el('div.say', {}, el('h1', {}, 'Settings'))),
    el('div.grid.side', {}, panel('Configuration', el('span.small.dim', {}, `read only; ${own ? own + ' that differ from the default stand first' : 'all as by default'}; secrets are left out`), el('div.scroll', { tabindex: 0, role: 'region', 'aria-label': 'Configuration' }, el('table', {}, el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Key'), el('th', { scope: 'col' }, 'Value'), el('th', { scope: 'col' }, 'Default'))), el('tbody', {}, rows.map(r => el('tr', {}, el('td.mono', {}, r.key), el('td.mono.wrap', {}, r.value), el('td.mono.wrap.dim', {}, r.default == null ? '' : r.default || 'none'))))))),
      el('div.stack', {}, panel('You', null, el('p.big.wrap', {}, d.you.name), el('p.mid', {}, 'You may ' + d.you.may.map(r => RIGHTS[r] || pretty(r)).join(', ') + '.'), d.you.can_log_out && el('div.actions.gap', {}, btn('Log out', '', () => fetch('/logout', { method: 'POST', headers: { 'X-Credwatch': '1' } }).then(() => { location.href = '/login'; })))),
        panel('This browser', null, el('div.actions', {}, btn(inUtc() ? 'Times in UTC' : 'Local times', 'u', zone), btn('Light or dark', 't', theme)), el('p.row.gap', {}, keys, el('label', { for: 'keys' }, 'Single letters are keys'))),
        panel('Version', null, el('dl.facts', {}, el('dt', {}, 'credwatch'), el('dd', {}, d.version), el('dt', {}, 'commit'), el('dd.mono', {}, d.commit), el('dt', {}, 'model'), el('dd.mono', {}, d.model_hash), el('dt', {}, 'signing keys'), el('dd.mono', {}, d.keys.join(', ') || 'none: orders are unsigned'))))));
}
get('/v1/settings').then(d => { setNow(d.as_of); page(d); }).catch(e => box.replaceChildren(el('h1.sr', {}, 'Settings'), failed(e.message))).finally(() => { document.body.dataset.ready = '1'; });
