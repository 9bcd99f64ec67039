'use strict';
// Draws /status.json twice a second. Names, paths and sentences in it come from strangers: they reach the page as
// text only (textContent), never as markup. Nodes are kept by key and changed in place, so that what is opened,
// focused or selected stays so, and an evening of it costs no memory.

const EVERY_MS = 500, HIDDEN_MS = 30000, LATE_MS = 3000, GIVE_UP_MS = 4000, MOST_MS = 4000;
const $ = (id) => document.getElementById(id);
const hour = { step_ms: 10000, n: 360, end: null, word: 'hour' };
let now = 0; // the process's clock, ms

// --- Words ---

const number = (x) => x === null || x === undefined ? '–' : x.toLocaleString('en-US', { maximumFractionDigits: 1 });
const plural = (n, one, many) => `${number(n)} ${n === 1 ? one : many || one + 's'}`;
const sum = (list) => (list || []).reduce((a, b) => a + (b || 0), 0);
const last = (list) => list && list.length ? list[list.length - 1] : null;

function ms(x) {
  if (x === null || x === undefined) return '–';
  if (x >= 1000) return `${(x / 1000).toFixed(x < 10000 ? 2 : 1)} s`;
  return `${x.toFixed(x < 1 ? 2 : x < 100 ? 1 : 0)} ms`;
}

function bytes(n) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) { n /= 1000; i++; }
  return `${i && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

const whole = (s) => s.charAt(0).toUpperCase() + s.slice(1) + (/[.!?:]$/.test(s) ? '' : '.');
const clock = (t) => new Date(t).toISOString().slice(11, 19);
const ago = (time) => time ? `${span((now - Date.parse(time)) / 1000).replace(/ (min|h|d) .*/, ' $1')} ago` : 'never';
const STATES = {
  well: ['ok', 'Well'], ok: ['ok', 'Ok'], warning: ['warn', 'Warning'], error: ['err', 'Error'],
  suspect: ['err', 'Suspect'], failing: ['err', 'Failing'], untried: ['none', 'Not asked yet'],
  unknown: ['none', 'Unknown'], information: ['none', 'Note'],
  info: ['none', 'Note'], draining: ['warn', 'Draining'], silent: ['warn', 'Not answering'], fault: ['warn', 'Failing'],
};
const stateOf = (s) => STATES[s] || ['none', String(s)];

// --- Nodes ---

const make = (id) => $(`t-${id}`).content.firstElementChild.cloneNode(true);

function text(node, value) {
  const s = value === null || value === undefined ? '' : String(value);
  if (node.textContent !== s) node.textContent = s;
}

function attr(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// To a screen reader: the verdict, when it changes, and nothing else.
const say = (value) => text($('said'), value);
const show = (node, is) => { if (node.hidden === Boolean(is)) node.hidden = !is; };

function slot(node, name) {
  node.slots = node.slots || {};
  return node.slots[name] = node.slots[name] || node.querySelector(`[data-f="${name}"]`);
}

function fill(node, values) {
  for (const name of Object.keys(values)) text(slot(node, name), values[name]);
}

function mark(node, state, word) {
  const [kind, usual] = stateOf(state);
  if (!node.mark) node.append(node.mark = make('mark'));
  attr(node.mark, 'class', `mark ${kind}`);
  attr(node.mark.querySelector('use'), 'href', `#i-${kind}`);
  text(node.mark.lastElementChild, word || usual);
}

function time(node, value, shown) {
  text(node, shown);
  attr(node, 'title', value || '');
}

// One child for each item, made from a template, known by its key and drawn; at most `most` until all are asked for.
function list(parent, template, items, key, draw, most) {
  const old = parent.keyed || new Map(), kept = new Map();
  const shown = most && !parent.isWhole ? items.slice(0, most) : items;
  shown.forEach((item, i) => {
    let k = key(item, i);
    while (kept.has(k)) k += '+';
    const node = old.get(k) || make(template);
    kept.set(k, node);
    draw(node, item, i);
  });
  for (const [k, node] of old) if (!kept.has(k)) node.remove();
  let i = 0;
  for (const node of kept.values()) {
    if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] || null);
    i++;
  }
  parent.keyed = kept;
  if (most) more(parent, template, items, key, draw, most);
}

function more(parent, ...rest) {
  const [, items, , , most] = rest, after = parent.closest('table') || parent;
  if (!parent.more) {
    after.after(parent.more = make('more'));
    parent.more.addEventListener('click', () => {
      parent.isWhole = !parent.isWhole;
      list(parent, ...parent.again);
    });
  }
  parent.again = rest;
  show(parent.more, items.length > most);
  text(parent.more, parent.isWhole ? `Show the first ${most}` : `Show all ${items.length}`);
}

const facts = (node, pairs) =>
  list(node, 'fact', pairs.filter(Boolean), (p) => p[0], (n, [name, value]) => fill(n, { name, value }));

// --- Advice: sentences, and commands with a button that copies them ---

const COMMAND = /^(\s{2,}|\$ )|^(penstock|aws|kubectl|dig|openssl) \S/;

function advise(node, fix, ...commands) {
  const lines = String(fix || '').split('\n').filter((l) => l.trim());
  const all = [...lines.map((l) => [COMMAND.test(l), l.trim().replace(/^\$ /, '')]), ...commands.map((c) => [true, c])];
  const code = all.map(([is, t]) => `${is}${t}`).join('\n');
  if (node.advice === code) return;
  node.advice = code;
  node.replaceChildren(...all.map(([is, t]) => {
    const child = make(is ? 'command' : 'step');
    text(is ? child.firstElementChild : child, t);
    if (is) {
      const button = child.lastElementChild;
      button.setAttribute('aria-label', `Copy: ${t}`);
      button.addEventListener('click', () => copy(child.firstElementChild, button));
    }
    return child;
  }));
}

async function copy(code, button) {
  getSelection().selectAllChildren(code);
  try {
    await navigator.clipboard.writeText(code.textContent);
    text(button, 'Copied');
  } catch { // not a secure context, or not allowed: it stands selected
    text(button, 'Selected');
  }
  setTimeout(() => text(button, 'Copy'), 1500);
}

// --- Charts: one hour, a slot for each step. Never colour alone: failures have a strip of their own and are counted. ---

const WIDE = 360, HIGH = 48, STRIP = 8;

const slots = (v) => Array.from({ length: hour.n }, (_, i) => v ? v[v.length - hour.n + i] ?? null : null);
// A young process has the last ten minutes drawn wide, and not a corner of an empty hour.
function zoom(history, uptime_s) {
  Object.assign(hour, history);
  const minutes = [10, 30, 60].find((m) => uptime_s < m * 60) || 60;
  hour.n = Math.min(history.n, Math.round(minutes * 60000 / hour.step_ms));
  hour.word = minutes === 60 ? 'hour' : `${minutes} minutes`;
}

const stepTime = (i) => hour.end ? Date.parse(hour.end) - (hour.n - 1 - i) * hour.step_ms : null;
const stepWord = (i) => stepTime(i) ? `${clock(stepTime(i))}: ` : '';

// Each measured step is a short level; neighbours are joined, and a gap stays a gap.
function line(values, top, high) {
  const w = WIDE / hour.n;
  let path = '', joined = false;
  values.forEach((v, i) => {
    if (v === null) { joined = false; return; }
    const y = (high - 1 - Math.min(1, v / top) * (high - 4)).toFixed(1);
    path += `${joined ? 'L' : 'M'}${(i * w).toFixed(1)} ${y}H${((i + 1) * w).toFixed(1)}`;
    joined = true;
  });
  return path;
}

function bars(values, top, high, base, least) {
  const w = WIDE / hour.n;
  let path = '';
  values.forEach((v, i) => {
    if (!v) return;
    const h = Math.max(least, Math.min(1, v / top) * high);
    path += `M${(i * w).toFixed(1)} ${base}v${(-h).toFixed(1)}h${Math.max(w, 1).toFixed(1)}v${h.toFixed(1)}z`;
  });
  return path;
}

// The line's area: every run of measured steps, closed down to the ground.
const area = (path, ground) => path.split('M').filter(Boolean)
  .map((run) => `M${run}V${ground}H${run.split(' ')[0]}z`).join('');

// c: {title, desc, caption, at(i), main: [values], bad: [values] or nothing, is_bars}; values as slots() gives them
function chart(parent, key, c) {
  parent.charts = parent.charts || {};
  let node = parent.charts[key];
  if (!node) {
    parent.append(node = parent.charts[key] = make('chart'));
    attr(node.querySelector('svg'), 'viewBox', `0 0 ${WIDE} ${HIGH}`);
    listen(node);
  }
  node.chart = c;
  attr(node, 'aria-label', c.title);
  text(node.querySelector('title'), c.title);
  text(node.querySelector('desc'), c.desc);
  const { main, bad } = c, strip = bad && !c.is_bars ? STRIP : 0, high = HIGH - strip;
  const top = Math.max(...main, 1e-9) * 1.05;
  const path = c.is_bars ? bars(main, top, high - 2, HIGH, 1) : line(main, top, high);
  const q = (name) => node.querySelector(`.${name}`);
  attr(q('rule'), 'd', `M0 ${high}H${WIDE}`);
  attr(node.querySelector('path:nth-of-type(3)'), 'class', c.is_bars ? 'bars' : 'main');
  attr(node.querySelector('path:nth-of-type(3)'), 'd', path);
  attr(q('area'), 'd', c.is_bars ? '' : area(path, high));
  attr(q('bad'), 'd', c.is_bars ? bars(bad, top, high - 2, HIGH, 2.5) : bars(bad || [], 1, STRIP - 2, HIGH, STRIP - 2));
  text(slot(node, 'begin'), `${hour.word === 'hour' ? '1 hour' : hour.word} ago`);
  point(node);
}

// The step under the pointer, or under the cursor that the arrow keys move, is read out in the caption.
function listen(node) {
  const svg = node.querySelector('svg');
  const at = (i) => { node.at = i; point(node); };
  svg.addEventListener('pointermove', (e) => {
    const box = svg.getBoundingClientRect();
    at(Math.max(0, Math.min(hour.n - 1, Math.floor((e.clientX - box.left) / box.width * hour.n))));
  });
  svg.addEventListener('pointerleave', () => at(null));
  node.addEventListener('blur', () => at(null));
  node.addEventListener('keydown', (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -hour.n, End: hour.n }[e.key];
    if (e.key === 'Escape') return at(null);
    if (!step) return;
    e.preventDefault();
    const from = node.at === null || node.at === undefined ? hour.n : node.at;
    at(Math.max(0, Math.min(hour.n - 1, from + step)));
  });
}

function point(node) {
  const i = node.at, is = i !== null && i !== undefined, x = (i + .5) * WIDE / hour.n;
  attr(node.querySelector('.cursor'), 'd', is ? `M${x} 0V${HIGH}` : '');
  text(node.querySelector('figcaption'), is ? stepWord(i) + node.chart.at(i) : node.chart.caption);
}

// --- Sections, in the order of the page ---

const problems = (d) => (d.self_check.findings || []).filter((f) => stateOf(f.severity)[0] !== 'none');

function drawVerdict(d) {
  const [kind, word] = stateOf(d.state), node = $('verdict');
  attr(node, 'class', kind);
  attr(node.querySelector('use'), 'href', `#i-${kind}`);
  fill(node, { word, sentence: whole(d.sentence) });
  const found = problems(d), same = (f) => f.sentence && d.sentence.toLowerCase().includes(f.sentence.toLowerCase());
  const finding = found.find(same) || found[0];
  if (d.state === 'well') advise(slot(node, 'advice'), '');
  else if (finding) advise(slot(node, 'advice'), finding.fix, `penstock explain ${finding.code}`);
  else advise(slot(node, 'advice'), 'The doctor, run where penstock runs, says what to change:', 'penstock doctor');
  document.title = `${kind === 'ok' ? '✓' : '!'} ${word} – ${d.host} – penstock`;
  say(`${word}: ${d.sentence}`);
}

function drawTiles(d) {
  const h = d.requests.history, servers = d.dns.servers || [];
  const before = h.requests && h.requests.length > 1 ? h.requests[h.requests.length - 2] : null;
  const asked = servers.filter((s) => s.state !== 'untried'), well = asked.filter((s) => healthOf(s) === 'well');
  const tiles = [
    ['Requests a second', number((before || 0) / (hour.step_ms / 1000))], ['In flight', number(d.requests.in_flight)],
    ['First byte', ms([...h.ttfb_ms || []].reverse().find((x) => x !== null && x !== undefined))],
    ['Errors, last minute', number(sum((d.faults || []).map((f) => f.last_minute)))],
    ['DNS servers well', asked.length ? `${well.length} of ${asked.length}` : 'none asked'],
    ['Running for', span(d.uptime_s)],
  ];
  list($('tiles'), 'tile', tiles, (t) => t[0], (n, [name, value]) => fill(n, { name, value }));
}

function needsAttention(d) {
  const out = [], add = (state, said, to, link) => out.push({ state, said, to, link });
  const r = d.reload || {}, failures = (n) => `${plural(n, 'failure')} in a row`;
  if (d.is_draining) {
    add('draining', 'The process ends: requests in flight are finished, new ones go elsewhere.', 'process', 'Process');
  }
  if (r.ok === false) add('error', `The last reload was refused: ${r.problem || ''}`, 'process', 'Process');
  for (const l of (d.ready || {}).layers || []) {
    if (l.state === 'failing' && l.name !== 'drain') add('failing', `${l.name}: ${l.sentence}`, 'process', 'Readiness');
  }
  for (const f of problems(d)) add(f.severity, `${f.code}: ${f.sentence}`, 'findings', 'Self-check');
  for (const s of d.dns.servers || []) {
    if (s.failures_in_row > 0) add(healthOf(s), `DNS server ${s.address}: ${failures(s.failures_in_row)}`, 'dns', 'DNS');
  }
  for (const f of d.faults || []) {
    const n = f.last_minute;
    if (n > 0) add('fault', `${plural(n, 'request')} in the last minute: ${f.sentence}`, 'errors', 'Errors');
  }
  return out;
}

function drawAttention(d) {
  const all = needsAttention(d);
  show($('attention'), all.length);
  list($('attention-list'), 'attention', all, (a) => a.to + a.said, (n, a) => {
    mark(slot(n, 'mark'), a.state);
    fill(n, { text: a.said, link: a.link });
    attr(slot(n, 'link'), 'href', `#${a.to}`);
  });
}

// Zones whose groups are the same stand together.
function zonesTogether(routes) {
  const together = new Map();
  for (const r of routes || []) {
    const key = JSON.stringify([r.from, r.groups]), old = together.get(key);
    const one = old || { key, from: r.from, groups: r.groups || [], zones: [] };
    one.zones.push(r.zone);
    for (const n of ['lookups', 'failed', 'cached', 'stale']) one[n] = (one[n] || 0) + (r[n] || 0);
    together.set(key, one);
  }
  const rest = (z) => z.zones.includes('.'); // what nothing else is said of: last
  return [...together.values()].sort((a, b) => rest(a) - rest(b));
}

function drawZone(node, zone, servers) {
  list(slot(node, 'zones'), 'code', zone.zones, (z) => z, (n, z) => text(n, z === '.' ? '. (every other name)' : z));
  const counts = [plural(zone.lookups, 'lookup'), `${number(zone.failed)} failed`];
  counts.push(`${number(zone.cached)} from the cache`);
  if (zone.stale) counts.push(`${number(zone.stale)} with old answers`);
  fill(node, { from: zone.from, counts: ` · ${counts.join(' · ')}` });
  list(slot(node, 'groups'), 'group', zone.groups, (g, i) => `${i} ${g.name}`, (n, g) => {
    attr(n, 'class', g.is_first ? 'first' : '');
    fill(n, { name: g.name, why: g.why });
    show(slot(n, 'first'), g.is_first);
    list(slot(n, 'servers'), 'group-server', g.servers || [], (a) => a, (m, address) => {
      mark(slot(m, 'mark'), healthOf(servers.get(address)));
      fill(m, { address });
    });
  });
}

// Three failures in a row make a server suspect; one is worth showing.
const healthOf = (s) => !s ? 'unknown' : s.state === 'well' && s.failures_in_row > 0 ? 'silent' : s.state;

function drawServer(node, s) {
  const h = s.history || {}, latency = slots(h.latency_ms), queries = slots(h.queries), failures = slots(h.failures);
  const most = Math.max(s.rtt_ms ?? 0, ...latency), asked = sum(queries), failed = sum(failures);
  attr(node, 'data-address', s.address);
  attr(node, 'data-state', healthOf(s));
  const health = healthOf(s);
  mark(slot(node, 'mark'), health);
  fill(node, { address: s.address, what: s.what });
  const of = `of ${number(asked)} failed`;
  const said = !asked && s.rtt_ms === null ? `nothing was asked in the last ${hour.word}.`
    : `${s.failures_in_row ? 'last' : 'now'} ${ms(s.rtt_ms)}, highest ${most ? ms(most) : '–'}. ${failed ? `${number(failed)} ${of} (red)` : `None ${of}`}.`;
  chart(slot(node, 'chart'), 'latency', {
    title: `Latency and failures of ${s.address} over the last ${hour.word}`, desc: said, caption: `Latency: ${said}`,
    main: latency, bad: failures,
    at: (i) => `${ms(latency[i])}, ${plural(queries[i] || 0, 'question')}, ${number(failures[i] || 0)} failed`,
  });
  facts(slot(node, 'facts'), [
    ['Questions', number(s.queries)], ['Timeouts', number(s.timeouts)],
    s.failures_in_row > 0 && ['Failures in a row', number(s.failures_in_row)],
    s.budget_left !== undefined && ['Packets left this second', number(s.budget_left)], ['Last used', ago(s.last_used)],
  ]);
}

function drawDns(d) {
  const servers = d.dns.servers || [], byAddress = new Map(servers.map((s) => [s.address, s]));
  list($('zones'), 'zone', zonesTogether(d.dns.routes), (z) => z.key, (n, z) => drawZone(n, z, byAddress));
  list($('servers'), 'server', servers, (s) => s.address, drawServer);
  const endpoints = d.dns.endpoints || [];
  show($('endpoints-block'), endpoints.length);
  list($('endpoints'), 'endpoint', endpoints, (e) => e.name, (n, { name, group, why }) => fill(n, { name, group, why }), 10);
  const c = d.dns.cache || {};
  const used = `${bytes(c.bytes || 0)} of ${bytes(c.max_bytes || 0)}`;
  text($('cache'), `The cache holds ${plural(c.entries || 0, 'answer')}, ${used}.`);
  const out = (d.dns.left_out || []).map((x) => typeof x === 'string' ? x : Object.values(x).join(': '));
  list($('left-out'), 'layer', out, (x) => x, (n, sentence) => {
    mark(slot(n, 'mark'), 'information', 'Left out');
    fill(n, { sentence });
  });
}

function drawUpstreams(d) {
  const u = d.upstream || {}, rows = d.upstreams || [];
  text($('upstream-sum'), `${plural(u.open || 0, 'connection')} open. ${number(u.connects || 0)} made, ` +
    `${number(u.failed || 0)} failed; used again ${plural(u.reused || 0, 'time')}; ` +
    `${plural(u.retries || 0, 'retry', 'retries')}, ${plural(u.resumes || 0, 'continued body', 'continued bodies')}.`);
  show($('no-upstreams'), !rows.length);
  show($('upstream-table'), rows.length);
  list($('upstream-rows'), 'upstream', rows, (r) => `${r.scheme} ${r.host} ${r.port} ${r.address}`, (n, r) => {
    const port = r.port === (r.scheme === 'https' ? 443 : 80) ? '' : `:${r.port}`;
    fill(n, {
      host: `${r.scheme === 'https' ? '' : `${r.scheme}://`}${r.host}${port}`, address: r.address,
      busy: number(r.busy), idle: number(r.idle),
      connects: number(r.connects), failed: number(r.failed),
    });
    const f = r.last_failure, when = f && typeof f === 'object' ? f.time : f;
    time(slot(n, 'last'), when, f ? (f.sentence ? `${ago(when)}: ${f.sentence}` : ago(when)) : 'none');
  }, 10);
}

function drawRequests(d) {
  const r = d.requests, h = r.history, requests = slots(h.requests), bad = slots(h.errors), ttfb = slots(h.ttfb_ms);
  const asked = sum(requests), errors = sum(bad), most = Math.max(0, ...requests), took = ttfb.filter((x) => x !== null);
  const counted = `${plural(asked, 'request')} in the last ${hour.word}, ${plural(errors, 'error')}` +
    `${errors ? ' (red)' : ''}; at most ${number(most)} in ${span(hour.step_ms / 1000)}`;
  chart($('request-charts'), 'requests', {
    title: `Requests and errors over the last ${hour.word}`, desc: counted, caption: counted, is_bars: true,
    main: requests, bad,
    at: (i) => `${plural(requests[i] || 0, 'request')}, ${plural(bad[i] || 0, 'error')}`,
  });
  const first = !took.length ? 'no response yet'
    : `first byte after ${ms(last(took))} of late, ${ms(Math.max(...took))} at most`;
  chart($('request-charts'), 'ttfb', {
    title: `Time to the first byte over the last ${hour.word}`, desc: first, main: ttfb,
    caption: `Mean of a step: ${first}`,
    at: (i) => `first byte after ${ms(ttfb[i])}`,
  });
  facts($('responses'), [['Requests since the start', number(r.total)], ['In flight', number(r.in_flight)],
    ...Object.entries(r.responses || {}).map(([k, n]) => [`Responses ${k}`, number(n)]),
    ['Bytes from clients', bytes(r.bytes_in || 0)], ['Bytes to clients', bytes(r.bytes_out || 0)]]);
}

function drawErrors(d) {
  const all = d.faults || [];
  show($('no-errors'), !all.length);
  show($('error-table'), all.length);
  list($('error-rows'), 'error', all, (f) => f.kind, (n, f) => {
    fill(n, { kind: f.kind, sentence: f.sentence, minute: number(f.last_minute), total: number(f.total) });
    time(slot(n, 'last'), f.last, ago(f.last));
  });
}

function drawFailures(d) {
  const all = d.failures || [];
  show($('no-failures'), !all.length);
  list($('failure-list'), 'failure', all, (f) => f.id || f.time, (n, f) => {
    time(slot(n, 'time'), f.time, clock(Date.parse(f.time)));
    const path = f.path || '', target = f.host ? `${f.host}${path.startsWith('/') ? '' : '/'}${path}` : path;
    fill(n, { status: f.status || '–', method: f.method, target, kind: f.kind, sentence: f.sentence });
    facts(slot(n, 'facts'), [['Request', f.id], ['Client', f.client], ['Time', f.time]]);
  }, 8);
}

function drawFindings(d) {
  const c = d.self_check || {}, all = c.findings || [];
  const when = c.ended ? `last looked ${ago(c.ended)}, ${plural(c.runs, 'time')} since the start` : 'did not look yet';
  text($('check-sum'), !c.is_on ? 'The self-check is off (PENSTOCK_SELF_CHECK).'
    : `The self-check ${when}${c.ended && !all.length ? ' and found nothing wrong' : ''}.`);
  list($('finding-list'), 'finding', all, (f) => f.code + f.sentence, (n, f) => {
    attr(n, 'class', `finding ${stateOf(f.severity)[0]}`);
    mark(slot(n, 'mark'), f.severity);
    fill(n, { code: f.code, sentence: f.sentence, evidence: f.evidence });
    advise(slot(n, 'advice'), f.fix, `penstock explain ${f.code}`);
  });
}

function drawProcess(d) {
  const r = d.reload || {};
  const reload = !r.n ? 'never' : `${ago(r.time)}, ${r.ok ? 'taken' : 'refused'} (${plural(r.n, 'time')} in all)`;
  facts($('facts'), [['Version', d.version], ['Host', d.host], ['Workers', number(d.workers)], ['Started', d.started],
    ['Running for', span(d.uptime_s)], ['Settings read anew', reload], r.problem && ['Refused because', r.problem],
    ['Draining', d.is_draining ? 'yes' : 'no']]);
  list($('layers'), 'layer', (d.ready || {}).layers || [], (l) => l.name, (n, l) => {
    mark(slot(n, 'mark'), l.state);
    fill(n, { sentence: `${l.name}${l.sentence ? `: ${l.sentence}` : ''}` });
  });
}

const SECTIONS = [drawVerdict, drawTiles, drawAttention, drawDns, drawUpstreams, drawRequests, drawErrors, drawFailures,
  drawFindings, drawProcess];

function draw(d) {
  now = Date.parse(d.time);
  zoom(d.history, d.uptime_s);
  text($('host'), `on ${d.host}`);
  for (const section of SECTIONS) section(d);
  for (const id of ['all', 'nav']) show($(id), true);
  show($('loading'), false);
}

// --- Twice a second; less often while nobody sees it or nobody answers ---

let timer = 0, isPaused = false, isAsking = false;
let failed = 0, reason = '', wrong = '', answered = null, drawn = null, version = null;

function tell() {
  const since = answered === null ? null : (performance.now() - answered) / 1000;
  const isLate = since !== null && since * 1000 > LATE_MS;
  const isStale = !isPaused && !document.hidden && (failed > 0 || isLate || wrong !== '');
  document.body.className = isPaused ? 'is-paused' : isStale ? 'is-stale' : answered === null ? '' : 'is-live';
  show($('stale'), isStale);
  if (isStale) {
    text($('stale'), wrong || `penstock ${reason || 'does not answer'}${since === null ? '' :
      `. The last answer came ${span(since)} ago: what stands below was true at ${clock(now)} UTC`}. Trying again …`);
    document.title = '! No answer – penstock';
    say(wrong || 'penstock does not answer.');
  }
  const seen = drawn === null ? 'not read yet' : `${isPaused ? 'Paused' : isStale ? 'Old' : 'Live'}, ${clock(now)} UTC`;
  text($('updated'), seen);
}

async function ask() {
  clearTimeout(timer);
  if (isAsking || isPaused) return;
  isAsking = true;
  try {
    const response = await fetch('/status.json', { cache: 'no-store', signal: AbortSignal.timeout(GIVE_UP_MS) });
    if (!response.ok) throw Object.assign(new Error(), { said: `answers with status ${response.status}` });
    const d = await response.json();
    failed = 0;
    reason = '';
    answered = performance.now();
    take(d);
  } catch (error) {
    failed++;
    reason = error.said || 'does not answer';
  }
  isAsking = false;
  tell();
  const wait = document.hidden ? HIDDEN_MS : Math.min(MOST_MS, EVERY_MS * 2 ** Math.max(0, failed - 1));
  if (!isPaused) timer = setTimeout(ask, wait);
}

function take(d) {
  wrong = '';
  version = version || d.version;
  if (version !== d.version) wrong = `penstock is ${d.version} now, this page is of ${version}: load it again.`;
  if (isPaused) return;
  try {
    draw(d);
    drawn = d;
  } catch (error) {
    wrong = 'This page does not understand what penstock said: load it again.';
    console.error(error);
  }
}

function pause() {
  isPaused = !isPaused;
  attr($('pause'), 'aria-pressed', String(isPaused));
  tell();
  ask();
}

show($('loading'), true);
show($('pause'), true);
$('pause').addEventListener('click', pause);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) ask();
});
setInterval(tell, 1000);
ask();
