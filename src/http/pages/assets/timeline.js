/* the events of an incident among those before it: all of them above, its own time below */
import { L, R, T, at, chart, el, oneIn, span, sv, tipOn } from './app.js';
function timeline(d, w) {
  const rows = d.rows, evid = rows.filter(r => r[6]); if (!rows.length) return null;
  const t0 = evid[0]?.[0] || d.summary.opened, t1 = evid.at(-1)?.[0] || t0, padT = Math.max(150000, (t1 - t0) * 1.2), a = rows[0][0], b = Math.max(rows.at(-1)[0], t1) + 60000, za = t0 - padT, zb = Math.min(t1 + padT, d.as_of + 60000), left = w < 560 ? 84 : 132, right = w - 12;
  const x = (t, p, q) => left + (right - left) * (t - p) / (q - p), lane = r => d.portrait ? r[1] || '—' : r[4] ? 'failed' : 'got in', lanes = [...new Set(evid.map(lane)), ...new Set(rows.filter(r => !r[6] && r[0] >= za && r[0] <= zb).map(lane))].filter((v, i, l) => l.indexOf(v) === i).slice(0, 6), g = [], H = 66 + 14 + lanes.length * 26 + 28;
  g.push(sv('path', { d: `M${Math.max(left, x(za, a, b))} 37L${left} 64H${right}L${Math.min(right, x(zb, a, b))} 37Z`, class: 'c-us', 'fill-opacity': .55 }), T(0, 32, span(b - a), 'c-t2'), L(left, 37, right, 37));
  for (const r of rows) g.push(R(x(r[0], a, b), r[6] ? 18 : 26, r[6] ? 2 : 1.2, r[6] ? 19 : 11, r[6] ? 'c-e' : 'c-u'));
  const half = w < 560 ? 864e5 : 432e5; for (let t = Math.ceil(a / half) * half; t < b; t += half) if (x(t, a, b) < right - 64) g.push(L(x(t, a, b), 4, x(t, a, b), 37), T(x(t, a, b) + 4, 11, at(t, 'm') === '00:00' ? at(t, 'day') : at(t, 'm')));
  lanes.forEach((n, i) => { const y = 86 + i * 26, odd = evid.some(r => lane(r) === n); g.push(L(left, y, right, y), T(0, y + 4, n.length > 20 ? n.slice(0, 19) + '…' : n, odd ? 'c-te' : 'c-t2')); let last = -99, said = ''; for (const r of rows) if (lane(r) === n && r[0] >= za && r[0] <= zb) { const px = x(r[0], za, zb); g.push(tipOn(sv('circle', { cx: px, cy: y, r: r[6] ? 5 : 3.5, class: (r[6] ? 'c-e' : 'c-u') + ' c-sel' }), `${at(r[0], 's')}  ${r[3]}${r[4] ? ' (failed)' : ''}\n${r[1] || ''} ${r[2] || ''} ${r[5] === null ? '' : '· ' + oneIn(r[5])}`)); if (r[6] && px > last && r[3] !== said && evid.length < 16 && w > 560) { said = r[3]; g.push(T(px + 8, y - 7, said, 'c-te')); last = px + said.length * 6.6 + 20; } } });
  const y = 86 + lanes.length * 26 - 8, step = [30000, 60000, 300000, 900000, 1800000, 3600000, 7200000].find(s => (zb - za) / s < (w < 560 ? 5 : 9)) || 14400000; for (let t = Math.ceil(za / step) * step; t < zb; t += step) g.push(L(x(t, za, zb), y, x(t, za, zb), y + 4, 'c-axis'), T(x(t, za, zb), y + 17, at(t, 'm'), 'c-t', 'middle'));
  return chart(w, H, `Timeline: ${evid.length} events of evidence among ${rows.length}`, g);
}
const legend = (a, b) => el('p.legend', {}, el('span', {}, el('i.key', {}), a), el('span', {}, el('i.key.e', {}), b));
export { legend, timeline };
