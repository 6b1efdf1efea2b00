"use strict";
(() => {
const $ = id => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const make = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
};

// --- numbers as people read them
const fixed = (v, n) => v.toFixed(n);
const seconds = s => s < 0 ? "−" + seconds(-s) : s >= 100 ? fixed(s, 0) + " s" : s >= 1 ? fixed(s, 2) + " s"
  : s >= 0.001 ? fixed(s * 1e3, s >= 0.1 ? 0 : 2) + " ms" : fixed(s * 1e6, 0) + " µs";
const bytes = b => b < 1e4 ? b + " B" : b < 1e6 ? fixed(b / 1e3, 1) + " kB" : b < 1e9 ? fixed(b / 1e6, 1) + " MB" : fixed(b / 1e9, 2) + " GB";
const rate = r => r < 1e3 ? fixed(r, 0) + " bit/s" : r < 1e6 ? fixed(r / 1e3, 1) + " kbit/s" : r < 1e9 ? fixed(r / 1e6, 1) + " Mbit/s" : fixed(r / 1e9, 2) + " Gbit/s";
const percent = p => fixed(p * 100, p > 0 && p < 0.1 ? 1 : 0) + " %";
const many = (n, one) => n.toLocaleString("en") + " " + one + (n === 1 ? "" : "s");

const meanings = {
  "retransmission": "the same octets were sent before", "fast": "sent again because later octets arrived (duplicate ACKs or SACK)",
  "timeout": "sent again because nothing came back in time", "tail-probe": "sent again to make the receiver say what it has (RFC 8985)",
  "spurious": "needless: the receiver had these octets", "out-of-order": "sent once, overtaken on the way",
  "network-copy": "the same packet twice, copied by the network or the capture", "gap": "octets before this segment are missing here",
  "duplicate-ack": "acknowledges the same number again: something later arrived", "ack-of-unseen": "acknowledges octets that the capture does not have",
  "dsack": "reports octets that came twice (RFC 2883)", "zero-window": "the receiver has no room",
  "window-full": "uses the last octet of the receiver's window", "window-update": "the receiver has more room",
  "zero-window-probe": "asks whether the window has opened", "zero-window-probe-ack": "answers a window probe: still closed",
  "keepalive": "asks whether the other side is still there", "keepalive-ack": "answers a keepalive",
  "port-reuse": "a new connection on a pair of ports that was in use", "refused": "nothing listens there",
  "reset-unread": "closed with data that was not read", "reset-abort": "aborts the connection", "reset-stray": "resets a connection that the capture does not have",
  "ce": "the network marked congestion", "ece": "tells the sender of marked congestion", "cwr": "the sender has slowed down",
  "fast-open": "data or a cookie in the SYN (RFC 7413)", "beyond-window": "more than the receiver has room for (RFC 9293 3.8.6)",
  "challenge-ack": "answers a suspicious segment (RFC 5961)"};
const bad = new Set(["retransmission", "timeout", "spurious", "zero-window", "refused", "reset-abort", "reset-unread", "beyond-window", "gap"]);
const bit = {};
data.labels.forEach((name, i) => { bit[name] = 2 ** i; });
const has = (labels, name) => (labels & bit[name]) !== 0;
const names = labels => data.labels.filter((_, i) => (labels >>> i & 1) !== 0);

// --- colours
const root = document.documentElement;
const themes = ["system", "light", "dark"];
let theme = 0;
$("theme").addEventListener("click", () => {
  theme = (theme + 1) % 3;
  if (theme === 0) root.removeAttribute("data-theme"); else root.dataset.theme = themes[theme];
  $("theme").textContent = "Colours: " + themes[theme];
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());
const colour = name => getComputedStyle(root).getPropertyValue("--" + name).trim();

// --- the columns of a connection, unpacked when they are first looked at
const unpacked = new Map();
async function unpack(holder) {
  const packed = Uint8Array.from(atob(holder.textContent.trim()), c => c.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
async function columns(connection) {
  if (unpacked.has(connection.stream)) return unpacked.get(connection.stream);
  const holder = $("points-" + connection.stream);
  if (!holder) return null;
  const buffer = await unpack(holder);
  const [count, blocks] = new Uint32Array(buffer, 0, 2);
  let at = 8;
  const take = (Type, n) => { const column = new Type(buffer, at, n); at += Math.ceil(n * Type.BYTES_PER_ELEMENT / 4) * 4; return column; };
  const c = {count, blocks};
  for (const name of ["passed", "frame", "seq", "ack", "length", "window", "labels", "rtt"]) c[name] = take(Uint32Array, count);
  for (const name of ["sackOf", "sackBegin", "sackEnd"]) c[name] = take(Uint32Array, blocks);
  c.what = take(Uint16Array, count);
  widen(c);
  c.series = await readSeries(connection);
  unpacked.set(connection.stream, c);
  return c;
}
// What the simulator saw of a sender, at many moments; nothing for other connections.
const simulation = data.simulation;
const flowOf = connection => simulation ? simulation.flows.indexOf(connection.client) : -1;
async function readSeries(connection) {
  const flow = flowOf(connection);
  if (flow < 0) return null;
  const buffer = await unpack($("series-" + flow));
  const [count, losses] = new Uint32Array(buffer, 0, 2), s = {count, losses};
  let at = 8;
  const take = n => { const column = new Uint32Array(buffer, at, n); at += 4 * n; return column; };
  for (const name of ["at", "cwnd", "ssthresh", "flying", "rtt", "pacing", "delivered", "queue"]) s[name] = take(count);
  for (const name of ["lostAt", "lostSeq", "lostLength"]) s[name] = take(losses);
  const offset = simulation.begin_unix_s - connection.begin_unix_s;
  s.time = Float64Array.from(s.at, us => us / 1e6 + offset);
  s.lostTime = Float64Array.from(s.lostAt, us => us / 1e6 + offset);
  s.lost = Float64Array.from(s.lostSeq);
  for (let i = 1; i < losses; ++i) s.lost[i] = s.lost[i - 1] + ((s.lostSeq[i] - s.lost[i - 1]) | 0);
  let sum = 0, from = 0;
  const total = Float64Array.from(s.delivered, octets => sum += octets);
  s.rate = total.map((octets, i) => { // what arrived in the last round trip
    while (from < i && s.time[i] - s.time[from] > Math.max(s.rtt[i] / 1e6, 0.01)) ++from;
    return i > from ? (octets - total[from]) * 8 / (s.time[i] - s.time[from]) : 0;
  });
  return s;
}
// Times add up; sequence numbers become numbers that do not wrap, near the highest before.
function widen(c) {
  c.time = new Float64Array(c.count);
  c.begin = new Float64Array(c.count);
  c.acked = new Float64Array(c.count);
  c.from = new Uint8Array(c.count);
  const high = [0, 0];
  let now = 0;
  for (let i = 0; i < c.count; ++i) {
    now += c.passed[i];
    c.time[i] = now / 1e6;
    const side = c.from[i] = c.what[i] >> 15;
    c.begin[i] = high[side] + ((c.seq[i] - high[side]) | 0);
    const other = 1 - side;
    c.acked[i] = (c.what[i] & 0x10) !== 0 ? high[other] + ((c.ack[i] - high[other]) | 0) : NaN;
    high[side] = Math.max(high[side], c.begin[i] + c.length[i]);
    if ((c.what[i] & 4) === 0 && c.acked[i] > high[other]) high[other] = c.acked[i];
  }
  c.sackLow = new Float64Array(c.blocks);
  c.sackHigh = new Float64Array(c.blocks);
  for (let b = 0; b < c.blocks; ++b) {
    const near = c.acked[c.sackOf[b]] || 0;
    c.sackLow[b] = near + ((c.sackBegin[b] - near) | 0);
    c.sackHigh[b] = near + ((c.sackEnd[b] - near) | 0);
  }
  c.duration = c.count ? c.time[c.count - 1] : 0;
}
// The first index whose time is at least t.
function first(times, t) {
  let low = 0, high = times.length;
  while (low < high) { const middle = (low + high) >> 1; if (times[middle] < t) low = middle + 1; else high = middle; }
  return low;
}

// --- findings
let shownFindings = 12;
const allFindings = [];
for (const connection of data.connections)
  for (const finding of connection.findings) allFindings.push({connection, finding});
allFindings.sort((a, b) => b.finding.cost_s - a.finding.cost_s || a.connection.stream - b.connection.stream);
function showFindings() {
  const list = $("findings");
  list.replaceChildren();
  for (const text of data.floods) list.append(make("li", {}, text));
  for (const {connection, finding} of allFindings.slice(0, shownFindings)) {
    list.append(make("li", {}, make("button", {type: "button", onclick: () => choose(connection, finding)},
      make("span", {class: "cost"}, finding.cost_s > 0 ? seconds(finding.cost_s) : "–"),
      make("span", {class: "of"}, "#" + connection.stream),
      make("span", {}, finding.sentence + " (frame" + (finding.count > 1 ? "s " : " ") + finding.frames.join(", ") +
        (finding.count > finding.frames.length ? ", …" : "") + ")"))));
  }
  if (!list.children.length) list.append(make("li", {}, "Nothing was lost, late, refused or held back."));
  $("more-findings").hidden = shownFindings >= allFindings.length;
}
$("more-findings").addEventListener("click", () => { shownFindings += 50; showFindings(); });

// --- connections
const sent = c => c.from_client.bytes + c.from_server.bytes;
const rtt = c => Math.max(c.from_client.rtt ? c.from_client.rtt.median_s : 0, c.from_server.rtt ? c.from_server.rtt.median_s : 0);
const lost = c => c.findings.reduce((sum, f) => sum + f.cost_s, 0);
const slowest = c => Object.entries(c.time).reduce((a, b) => b[1] > a[1] ? b : a);
const slow = c => { const [name, s] = slowest(c); return c.duration_s > 0 ? name.replace(/_s$/, "").replaceAll("_", " ") + " " + percent(s / c.duration_s) : "–"; };
const headings = [
  ["#", c => c.stream, c => make("button", {type: "button", class: "open", "aria-label": "Show connection " + c.stream}, String(c.stream)), true],
  ["Client", c => c.client], ["Server", c => c.server], ["State", c => c.state],
  ["Lasts", c => c.duration_s, c => seconds(c.duration_s), true], ["Sent", c => c.from_client.bytes, c => bytes(c.from_client.bytes), true],
  ["Received", c => c.from_server.bytes, c => bytes(c.from_server.bytes), true],
  ["Goodput", c => sent(c) ? c.goodput_bit_s : 0, c => sent(c) ? rate(c.goodput_bit_s) : "–", true],
  ["RTT", rtt, c => rtt(c) ? seconds(rtt(c)) : "–", true], ["Sent again", c => c.retransmitted_share, c => percent(c.retransmitted_share), true],
  ["Cost", lost, c => lost(c) ? seconds(lost(c)) : "–", true], ["Most time in", slow]];
let sortBy = 10, descending = true, shownConnections = 100, chosen = null;
headings.forEach(([name, , , isNumber], i) => {
  $("connections").tHead.rows[0].append(make("th", {scope: "col", class: isNumber ? "number" : ""}, make("button", {type: "button", onclick: () => {
    descending = sortBy === i ? !descending : Boolean(isNumber) && i !== 0;
    sortBy = i;
    showConnections();
  }}, name)));
});
const searchable = new Map(data.connections.map(c => [c, [c.client, c.server, c.state, ...c.findings.map(f => f.finding)].join(" ").toLowerCase()]));
function showConnections() {
  [...$("connections").tHead.rows[0].cells].forEach((cell, i) => {
    if (i === sortBy) cell.setAttribute("aria-sort", descending ? "descending" : "ascending"); else cell.removeAttribute("aria-sort");
  });
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = data.connections.filter(c => words.every(word => searchable.get(c).includes(word)));
  const value = headings[sortBy][1];
  rows.sort((a, b) => { const x = value(a), y = value(b); return (x < y ? -1 : x > y ? 1 : 0) * (descending ? -1 : 1) || a.stream - b.stream; });
  const body = $("connections").tBodies[0];
  body.replaceChildren(...rows.slice(0, shownConnections).map(c => make("tr", {class: c === chosen ? "chosen" : "", "data-stream": c.stream, onclick: () => choose(c)},
    ...headings.map(([, plain, shown, isNumber]) => make("td", {class: isNumber ? "number" : ""}, (shown || plain)(c))))));
  $("shown").textContent = many(rows.length, "connection") + (rows.length < data.connections.length ? " of " + data.connections.length : "") +
    (data.connections_total > data.connections.length ? "; " + many(data.connections_total - data.connections.length, "more") + " counted only" : "");
  $("more-connections").hidden = rows.length <= shownConnections;
}
$("filter").addEventListener("input", showConnections);
$("more-connections").addEventListener("click", () => { shownConnections += 500; showConnections(); });

// --- one connection
const colours = {handshake_s: "#6b7280", network_s: "#0b66c3", receive_window_s: "#8a6d00", closed_window_s: "#b35900", timeouts_s: "#c5221f", application_s: "#1a7f37"};
let shown = null; // {connection, columns, side, from, to}
let plots = [];
async function choose(connection, finding) {
  chosen = connection;
  for (const row of $("connections").tBodies[0].rows) row.classList.toggle("chosen", Number(row.dataset.stream) === connection.stream);
  const c = await columns(connection);
  const side = finding && connection["from_" + finding.side].bytes > 0 ? (finding.side === "client" ? 0 : 1)
    : connection.from_client.bytes >= connection.from_server.bytes ? 0 : 1;
  shown = {connection, columns: c, side, from: 0, to: c ? Math.max(c.duration, 1e-6) : 1};
  describe(connection);
  showFlow(connection);
  $("connection").hidden = false;
  for (const radio of document.getElementsByName("side")) radio.checked = Number(radio.value) === side;
  draw();
  if (finding && c) goToFrame(finding.frames[0]);
  $("connection-title").scrollIntoView({block: "start"});
  $("connection-title").focus({preventScroll: true});
}
function describe(c) {
  $("connection-title").textContent = "Connection #" + c.stream + ": " + c.client + " → " + c.server;
  $("summary").textContent = [c.state + (c.midstream ? ", its beginning is not in the capture" : ""), seconds(c.duration_s),
    bytes(c.from_client.bytes) + " sent, " + bytes(c.from_server.bytes) + " received",
    c.handshake_rtt_s ? "handshake " + seconds(c.handshake_rtt_s) : "", rtt(c) ? "round trip " + seconds(rtt(c)) : "",
    percent(c.retransmitted_share) + " sent again"].filter(Boolean).join(" · ");
  const times = Object.entries(c.time).filter(([, s]) => s > 0);
  $("times").replaceChildren(...times.map(([name, s]) => {
    const text = name.replace(/_s$/, "").replaceAll("_", " ") + " " + seconds(s);
    const part = make("span", {title: text}, text);
    part.style.cssText = "flex:" + 1000 * s / c.duration_s + " 1 0;background:" + colours[name];
    return part;
  }));
  $("times").setAttribute("aria-label", "Time spent: " + times.map(([name, s]) => name.replace(/_s$/, "").replaceAll("_", " ") + " " + seconds(s)).join(", "));
  $("own-findings").replaceChildren(...c.findings.map(f => make("li", {}, f.sentence + " ",
    ...f.frames.map(n => make("button", {type: "button", class: "frame", onclick: () => goToFrame(n)}, "frame " + n)))));
}
// --- the flow graph: a drawing that the program made, with the explanation of each segment in its title
let flowRows = new Map(); // by frame
function showFlow(connection) {
  const drawing = $("flow-" + connection.stream);
  $("flow-part").hidden = !drawing;
  $("flow").replaceChildren(...(drawing ? [drawing.content.cloneNode(true)] : []));
  $("flow-says").textContent = "";
  flowRows = new Map([...$("flow").querySelectorAll(".row")].map(row => [Number(row.dataset.frame), row]));
}
const toldBy = row => row.querySelector("title").textContent;
function sayRow(row) {
  for (const other of $("flow").querySelectorAll(".here")) other.classList.remove("here");
  row.classList.add("here");
  $("flow-says").textContent = toldBy(row);
}
for (const name of ["mouseover", "focusin"]) $("flow").addEventListener(name, event => { const row = event.target.closest(".row"); if (row) sayRow(row); });
const openRow = event => { const row = event.target.closest(".row"); if (row) goToFrame(Number(row.dataset.frame)); };
$("flow").addEventListener("click", openRow);
$("flow").addEventListener("keydown", event => { if (event.key === "Enter") openRow(event); });
// What the flow graph says of a frame, if it has it: behind the headline come the details.
function toldOf(frame) { const row = flowRows.get(frame); return row ? toldBy(row).split("\n")[0].replace(/^frame \d+: /, "") : ""; }

for (const radio of document.getElementsByName("side")) radio.addEventListener("change", () => { shown.side = Number(radio.value); draw(); });

// --- plots: uPlot has the axes, the cursor and the zoom; what is inside is drawn here, so that a
// million segments cost one pass over what is in view
// Times on an axis, with as many digits as tell them apart.
function ticks(list) {
  const apart = list.length > 1 ? list[1] - list[0] : 1, isMs = Math.abs(list[list.length - 1]) < 1;
  const digits = Math.max(0, Math.ceil(-Math.log10(apart * (isMs ? 1e3 : 1)) - 1e-9));
  return list.map(v => fixed(isMs ? v * 1e3 : v, digits) + (isMs ? " ms" : " s"));
}
// From values to pixels of the canvas.
function map(u) {
  const {left, top, width, height} = u.bbox, x = u.scales.x, y = u.scales.y;
  const kx = width / (x.max - x.min), ky = height / (y.max - y.min);
  return {x: v => left + (v - x.min) * kx, y: v => top + height - (v - y.min) * ky};
}
// What blocks of 32 segments have together, so that a million of them can be looked at as one.
const blockSize = 32;
function blocksOf(c, side) {
  if (c.grouped && c.grouped[side]) return c.grouped[side];
  const n = Math.ceil(c.count / blockSize), column = fill => new Float64Array(n).fill(fill);
  const g = {low: column(Infinity), high: column(-Infinity), ack: column(NaN), window: column(0), flying: column(0),
    rttLow: column(Infinity), rttHigh: column(0), all: column(0), fresh: column(0), special: [], state: []};
  let state = [0, 0, 0];
  for (let i = 0; i < c.count; ++i) {
    const k = Math.floor(i / blockSize);
    if (i % blockSize === 0) g.state.push(state);
    state = step(c, i, side, state);
    g.flying[k] = Math.max(g.flying[k], state[0] - state[1]);
    g.window[k] = state[2];
    if (c.from[i] === side) {
      const what = kind(c.labels[i]), span = spanOf(c, i);
      if (what !== "data") g.special.push(i);
      if (what === "data" && span > 0) { g.low[k] = Math.min(g.low[k], c.begin[i]); g.high[k] = Math.max(g.high[k], c.begin[i] + span); }
      g.all[k] += c.length[i];
      if (isFresh(c.labels[i])) g.fresh[k] += c.length[i];
    } else {
      if (isAck(c, i)) g.ack[k] = c.acked[i];
      if (c.rtt[i]) { g.rttLow[k] = Math.min(g.rttLow[k], c.rtt[i]); g.rttHigh[k] = Math.max(g.rttHigh[k], c.rtt[i]); }
    }
  }
  g.special = Int32Array.from(g.special);
  c.grouped = c.grouped || [];
  return c.grouped[side] = g;
}
const spanOf = (c, i) => c.length[i] + ((c.what[i] & 3) !== 0 ? 1 : 0);
const isAck = (c, i) => c.acked[i] === c.acked[i] && (c.what[i] & 4) === 0;
const isFresh = labels => !(labels & (bit["retransmission"] | bit["network-copy"]));
// Visits what is in view: single segments, or whole blocks where there are very many.
function scan(s, one, block) {
  const [a, b] = inView(s);
  if (b - a < 60000) { for (let i = a; i < b; ++i) one(i); return; }
  const from = Math.ceil(a / blockSize), to = Math.floor(b / blockSize);
  for (let k = from; k < to; ++k) block(k, s.columns.time[k * blockSize]);
}
function plot(title, height, range, format, paint, lines = []) {
  const s = shown;
  let ranged = "", ends = [0, 1];
  const width = Math.max(320, $("plots").clientWidth);
  const axis = {stroke: colour("soft"), grid: {stroke: colour("line"), width: 1}, ticks: {stroke: colour("line")}};
  const holder = make("div", {class: "plot"}, make("h3", {}, title, ...lines.flatMap(line => {
    const dash = make("i", {class: line.dashed ? "dashed" : ""});
    dash.style.borderColor = "var(--" + line.colour + ")";
    return [dash, make("small", {}, line.text)];
  })));
  $("plots").append(holder);
  const u = new uPlot({width, height, legend: {show: false}, padding: [6, 30, 0, 0],
    cursor: {drag: {x: true, y: false, setScale: false}, points: {show: false}, y: false},
    scales: {x: {time: false, range: () => [s.from, s.to]}, y: {range: () => {
      const key = s.from + "," + s.to; // uPlot asks more than once
      if (key !== ranged) { ranged = key; ends = range(s); }
      return ends;
    }}},
    axes: [{...axis, values: (_, list) => ticks(list)}, {...axis, size: 96, values: (_, list) => list.map(format)}],
    series: [{}, {show: true, paths: () => null, points: {show: false}}],
    hooks: {draw: [view => {
      view.ctx.save();
      view.ctx.beginPath();
      view.ctx.rect(view.bbox.left, view.bbox.top, view.bbox.width, view.bbox.height);
      view.ctx.clip();
      paint(view, s);
      view.ctx.restore();
    }], setSelect: [view => {
      if (view.select.width < 4) return;
      look(view.posToVal(view.select.left, "x"), view.posToVal(view.select.left + view.select.width, "x"));
      view.setSelect({left: 0, width: 0, top: 0, height: 0}, false);
    }], setCursor: [view => hover(view)]}}, [[s.from, s.to], [0, 0]], holder);
  u.over.addEventListener("wheel", event => {
    event.preventDefault();
    zoom(event.deltaY < 0 ? 0.7 : 1 / 0.7, u.posToVal(event.offsetX, "x"));
  }, {passive: false});
  u.over.addEventListener("mouseleave", () => { $("tip").hidden = true; });
  plots.push(u);
}
const inView = s => [Math.max(0, first(s.columns.time, s.from) - 1), Math.min(s.columns.count, first(s.columns.time, s.to) + 1)];
function bars(u, to, name, width = 1) { // vertical bars, at most one for each column of pixels
  const columnsOfPixels = new Map();
  return {
    add(t, low, high) {
      const x = Math.round(to.x(t)), a = to.y(low), b = to.y(high), known = columnsOfPixels.get(x);
      if (!known) columnsOfPixels.set(x, [a, b]); else { known[0] = Math.max(known[0], a); known[1] = Math.min(known[1], b); }
    },
    paint() {
      u.ctx.strokeStyle = colour(name);
      u.ctx.lineWidth = width * devicePixelRatio;
      u.ctx.beginPath();
      for (const [x, [a, b]] of columnsOfPixels) { u.ctx.moveTo(x, a + devicePixelRatio); u.ctx.lineTo(x, Math.min(b, a - devicePixelRatio)); }
      u.ctx.stroke();
    }};
}
function steps(u, to, name, dashed) { // a line of steps; within one column of pixels the last value counts
  const path = [];
  let x = NaN, y = 0;
  return {
    add(t, value) {
      const nextX = to.x(t), nextY = to.y(value);
      if (path.length && nextX - x < 0.5) { y = nextY; path[path.length - 1] = y; return; }
      if (path.length) path.push(nextX, y);
      path.push(x = nextX, y = nextY);
    },
    paint() {
      if (!path.length) return;
      u.ctx.strokeStyle = colour(name);
      u.ctx.lineWidth = devicePixelRatio;
      u.ctx.setLineDash(dashed ? [5, 4] : []);
      u.ctx.beginPath();
      u.ctx.moveTo(path[0], path[1]);
      for (let i = 2; i < path.length; i += 2) u.ctx.lineTo(path[i], path[i + 1]);
      u.ctx.lineTo(to.x(shown.to), y);
      u.ctx.stroke();
      u.ctx.setLineDash([]);
    }};
}
const kind = labels => has(labels, "network-copy") ? "copy" : has(labels, "retransmission") ? "again" : has(labels, "out-of-order") ? "late"
  : labels & (bit["keepalive"] | bit["zero-window-probe"]) ? "probe" : "data";
const legend = [["data", "data"], ["again", "retransmission"], ["late", "out of order"], ["copy", "copy made by the network"], ["probe", "keepalive or probe"],
  ["ack", "acknowledged"], ["edge", "edge of the receiver's window"], ["sack", "SACK"]];
if (simulation) legend.push(["lost", "× lost on the way"]);

function sequenceRange(s) {
  const c = s.columns, g = blocksOf(c, s.side);
  let low = Infinity, high = -Infinity;
  const see = (from, to) => { if (from < low) low = from; if (to > high) high = to; };
  scan(s, i => {
    if (c.from[i] !== s.side) { if (isAck(c, i)) see(c.acked[i], c.acked[i]); } else if (c.length[i] || c.labels[i]) see(c.begin[i], c.begin[i] + c.length[i]);
  }, k => { if (g.low[k] <= g.high[k]) see(g.low[k], g.high[k]); });
  if (low > high) [low, high] = [0, 1];
  const room = Math.max((high - low) * 0.06, 1);
  return [Math.max(low - room, -room), high + room];
}
function paintSequence(u, s) {
  const c = s.columns, g = blocksOf(c, s.side), to = map(u), [a, b] = inView(s);
  const width = {data: 1.5, sack: 1};
  const marks = Object.fromEntries(["data", "again", "late", "copy", "probe", "sack"].map(name => [name, bars(u, to, name, width[name] || 2.5)]));
  const ack = steps(u, to, "ack"), edge = steps(u, to, "edge", true);
  scan(s, i => {
    if (c.from[i] === s.side) {
      if (kind(c.labels[i]) === "data" && spanOf(c, i) > 0) marks.data.add(c.time[i], c.begin[i], c.begin[i] + spanOf(c, i));
    } else if (isAck(c, i)) {
      ack.add(c.time[i], c.acked[i]);
      edge.add(c.time[i], c.acked[i] + c.window[i]);
    }
  }, (k, t) => {
    if (g.low[k] <= g.high[k]) marks.data.add(t, g.low[k], g.high[k]);
    if (g.ack[k] === g.ack[k]) { ack.add(t, g.ack[k]); edge.add(t, g.ack[k] + g.window[k]); }
  });
  for (let k = first(g.special, a); k < g.special.length && g.special[k] < b; ++k) {
    const i = g.special[k];
    marks[kind(c.labels[i])].add(c.time[i], c.begin[i], c.begin[i] + spanOf(c, i));
  }
  for (let k = first(c.sackOf, a); k < c.blocks && c.sackOf[k] < b; ++k) {
    const i = c.sackOf[k];
    if (c.from[i] !== s.side) marks.sack.add(c.time[i], c.sackLow[k], c.sackHigh[k]);
  }
  marks.sack.paint();
  edge.paint();
  ack.paint();
  for (const name of ["data", "probe", "late", "copy", "again"]) marks[name].paint();
  if (c.series && s.side === 0) paintLosses(u, to, c.series);
}
// Where the network dropped something: a cross, one for each place that can be told apart.
function paintLosses(u, to, series) {
  const seen = new Set(), r = 4 * devicePixelRatio;
  u.ctx.strokeStyle = colour("lost");
  u.ctx.lineWidth = 1.5 * devicePixelRatio;
  u.ctx.beginPath();
  for (let i = first(series.lostTime, shown.from); i < series.losses && series.lostTime[i] <= shown.to; ++i) {
    const x = to.x(series.lostTime[i]), y = to.y(series.lost[i] + series.lostLength[i] / 2), place = Math.round(x / 2) + "," + Math.round(y / 2);
    if (seen.has(place)) continue;
    seen.add(place);
    u.ctx.moveTo(x - r, y - r); u.ctx.lineTo(x + r, y + r);
    u.ctx.moveTo(x - r, y + r); u.ctx.lineTo(x + r, y - r);
  }
  u.ctx.stroke();
}
// One line for each column of the series: [name of the colour, dashed, what it is, values].
function seriesPlot(title, series, format, lines) {
  const visible = visit => {
    for (let i = Math.max(0, first(series.time, shown.from) - 1); i < series.count && series.time[i] <= shown.to; ++i) visit(i);
  };
  plot(title, 150, s => upTo(s, see => visible(i => { for (const line of lines) if (line.ranged !== false) see(line.value(i)); })), format, u => {
    const to = map(u);
    for (const line of lines) {
      const path = steps(u, to, line.colour, line.dashed);
      visible(i => { const v = line.value(i); if (v === v) path.add(series.time[i], v); });
      path.paint();
    }
  }, lines);
}
const unlimited = 0xffffffff;
function drawSeries(series) {
  seriesPlot("Congestion window", series, v => bytes(Math.round(v)), [
    {colour: "late", dashed: true, text: "slow start threshold", value: i => series.ssthresh[i] === unlimited || !series.ssthresh[i] ? NaN : series.ssthresh[i], ranged: false},
    {colour: "ack", text: "octets in flight", value: i => series.flying[i]},
    {colour: "data", text: "congestion window", value: i => series.cwnd[i]}]);
  seriesPlot("Smoothed round-trip time", series, seconds, [{colour: "data", text: "of the sender", value: i => series.rtt[i] ? series.rtt[i] / 1e6 : NaN}]);
  const rates = [{colour: "data", text: "delivered in the last round trip", value: i => series.rate[i]}];
  if (series.pacing.some(v => v !== 0)) {
    rates.unshift({colour: "late", dashed: true, text: "pacing rate", ranged: false, value: i => series.pacing[i] === 0 ? NaN : series.pacing[i] * 1e3});
  }
  seriesPlot("Delivery rate", series, rate, rates);
  const queue = [{colour: "data", text: "octets that wait", value: i => series.queue[i]}];
  const most = simulation.queue_max_bytes;
  if (most < 1e12) queue.unshift({colour: "edge", dashed: true, text: "its limit", value: () => most});
  seriesPlot("Queue before the shared link", series, v => bytes(Math.round(v)), queue);
}
// What each of 160 slices of time brought, in bits per second: all octets, and new ones.
function slices(s) {
  const key = [s.from, s.to, s.side].join();
  if (s.sliced === key) return s.slices;
  const n = 160, c = s.columns, g = blocksOf(c, s.side), width = (s.to - s.from) / n, all = new Float64Array(n), fresh = new Float64Array(n);
  const put = (t, every, once) => {
    const k = Math.floor((t - s.from) / width);
    if (k < 0 || k >= n) return;
    all[k] += every * 8 / width;
    fresh[k] += once * 8 / width;
  };
  scan(s, i => { if (c.from[i] === s.side) put(c.time[i], c.length[i], isFresh(c.labels[i]) ? c.length[i] : 0); }, (k, t) => put(t, g.all[k], g.fresh[k]));
  s.sliced = key;
  return s.slices = {n, width, all, fresh};
}
function paintThroughput(u, s) {
  const {n, width, all, fresh} = slices(s), to = map(u), lines = [steps(u, to, "again"), steps(u, to, "data")];
  for (let k = 0; k < n; ++k) { lines[0].add(s.from + k * width, all[k]); lines[1].add(s.from + k * width, fresh[k]); }
  for (const line of lines) line.paint();
}
function roundTrips(s, visit) {
  const c = s.columns, g = blocksOf(c, s.side);
  scan(s, i => { if (c.rtt[i] && c.from[i] !== s.side) visit(c.time[i], c.rtt[i] / 1e6, c.rtt[i] / 1e6); },
    (k, t) => { if (g.rttHigh[k]) visit(t, g.rttLow[k] / 1e6, g.rttHigh[k] / 1e6); });
}
function paintRtt(u, s) {
  const dots = bars(u, map(u), "data", 2);
  roundTrips(s, (t, low, high) => dots.add(t, low, high));
  dots.paint();
}
// Outstanding octets of the side, and the window it may fill.
function flight(s, visit) {
  const c = s.columns, g = blocksOf(c, s.side), [a] = inView(s);
  const start = Math.floor(a / blockSize);
  let state = g.state[start] || [0, 0, 0];
  for (let i = start * blockSize; i < a; ++i) state = step(c, i, s.side, state);
  scan(s, i => { state = step(c, i, s.side, state); visit(c.time[i], Math.max(0, state[0] - state[1]), state[2]); },
    (k, t) => visit(t, g.flying[k], g.window[k]));
}
function step(c, i, side, [high, acked, window]) {
  if (c.from[i] === side) high = Math.max(high, c.begin[i] + spanOf(c, i));
  else if (isAck(c, i)) { if (c.acked[i] >= acked) { acked = c.acked[i]; window = c.window[i]; } high = Math.max(high, acked); }
  return [high, acked, window];
}
function paintFlight(u, s) {
  const to = map(u), out = steps(u, to, "data"), room = steps(u, to, "edge", true);
  flight(s, (t, flying, window) => { out.add(t, flying); room.add(t, window); });
  room.paint();
  out.paint();
}
const upTo = (s, values) => { let most = 0; values(v => { if (v > most) most = v; }); return [0, most * 1.08 || 1]; };
function draw() {
  for (const u of plots) u.destroy();
  plots = [];
  $("plots").replaceChildren();
  const s = shown;
  if (!s) return;
  $("legend").replaceChildren(...legend.map(([name, text]) => { const dash = make("i"); dash.style.background = "var(--" + name + ")"; return make("li", {}, dash, text); }));
  if (!s.columns || !s.columns.count) {
    $("plots").append(make("p", {}, "The segments of this connection are not in the page: estab report --segments N keeps more."));
    return showSegments();
  }
  const who = s.side === 0 ? "client" : "server";
  plot("Time and sequence numbers of the " + who, 380, sequenceRange, v => bytes(Math.round(v)), paintSequence);
  if (s.columns.series && s.side === 0) drawSeries(s.columns.series);
  plot("Throughput of the " + who + " (in red what was sent again)", 130, v => upTo(v, see => slices(v).all.forEach(see)), rate, paintThroughput);
  plot("Round trips of its octets, from where the capture was taken", 130, v => upTo(v, see => roundTrips(v, (_, low, high) => see(high))), v => seconds(v), paintRtt);
  plot("Octets in flight, and the receiver's window (dashed)", 130, v => upTo(v, see => flight(v, (_, flying, window) => { see(flying); see(Math.min(window, 4 * flying)); })), v => bytes(Math.round(v)), paintFlight);
  showSegments();
}
function redraw() { if (shown) draw(); }
let later = 0;
addEventListener("resize", () => { clearTimeout(later); later = setTimeout(redraw, 150); });

function look(from, to) {
  const s = shown, c = s.columns, whole = Math.max(c.duration, 1e-6), least = 20e-6;
  let width = Math.min(Math.max(to - from, least), whole * 1.02);
  from = Math.min(Math.max(from, -whole * 0.01), whole * 1.01 - width);
  s.from = from;
  s.to = from + width;
  for (const u of plots) u.setData([[s.from, s.to], [0, 0]]);
  clearTimeout(s.listing);
  s.listing = setTimeout(showSegments, 60);
}
function zoom(factor, around = (shown.from + shown.to) / 2) { look(around - (around - shown.from) * factor, around + (shown.to - around) * factor); }
function goToFrame(frame) {
  const c = shown.columns;
  if (!c) return;
  const i = Math.min(first(c.frame, frame), c.count - 1), row = flowRows.get(c.frame[i]);
  goTo(i);
  if (!row) return;
  sayRow(row);
  $("flow").scrollTop = row.getBoundingClientRect().top - $("flow").getBoundingClientRect().top + $("flow").scrollTop - 120;
}
function goTo(i) {
  const c = shown.columns, near = Math.max(2e-3, 3 * (rtt(shown.connection) || 0.01));
  look(c.time[i] - near, c.time[i] + near);
  shown.at = i;
  say(i);
  showSegments();
}
function nextLabel(by) {
  const s = shown, c = s.columns;
  if (!c) return;
  let i = s.at === undefined ? first(c.time, (s.from + s.to) / 2) : s.at + by;
  while (i >= 0 && i < c.count && !c.labels[i]) i += by;
  if (i >= 0 && i < c.count) goTo(i);
}
const actions = {in: () => zoom(0.5), out: () => zoom(2), left: () => look(shown.from - (shown.to - shown.from) / 4, shown.to - (shown.to - shown.from) / 4),
  right: () => look(shown.from + (shown.to - shown.from) / 4, shown.to + (shown.to - shown.from) / 4),
  all: () => look(0, shown.columns.duration), next: () => nextLabel(1), previous: () => nextLabel(-1)};
const keys = {"+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", "0": "all", Home: "all", n: "next", p: "previous"};
const act = name => { if (shown && shown.columns && shown.columns.count) actions[name](); };
for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", () => act(button.dataset.do));
$("plots").addEventListener("keydown", event => {
  if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act(keys[event.key]);
});

// --- words for a segment
const letters = "FSRP.UEWe";
const flags = what => [...letters].filter((_, i) => (what >> i & 1) !== 0).join("");
function sentence(c, i) {
  const who = c.from[i] === 0 ? "client" : "server", end = c.begin[i] + c.length[i];
  const parts = [];
  if (c.what[i] & 2) parts.push("SYN");
  if (c.what[i] & 1) parts.push("FIN");
  if (c.what[i] & 4) parts.push("RST");
  if (c.length[i]) parts.push(many(c.length[i], "octet") + " " + c.begin[i] + "–" + end);
  if (c.acked[i] === c.acked[i]) parts.push("acknowledges " + c.acked[i] + ", window " + c.window[i]);
  const why = names(c.labels[i]).map(name => name + ": " + meanings[name]).join("; ");
  return "Frame " + c.frame[i] + ", " + fixed(c.time[i], 6) + " s, " + who + ": " + parts.join(", ") + (why ? ". " + why : "") +
    (c.rtt[i] ? ". Round trip " + seconds(c.rtt[i] / 1e6) : "");
}
function remarksOf(i) { return (shown.connection.remarks || []).filter(r => r.index === i).map(r => r.text); }
function say(i) { $("here").textContent = [sentence(shown.columns, i), ...remarksOf(i)].join(" "); }
function nearest(u) {
  const c = shown.columns, t = u.posToVal(u.cursor.left, "x"), reach = (shown.to - shown.from) / u.over.clientWidth * 8;
  const value = u === plots[0] ? u.posToVal(u.cursor.top, "y") : null;
  let best = -1, least = Infinity;
  for (let i = first(c.time, t - reach), n = 0; i < c.count && c.time[i] <= t + reach && n < 5000; ++i, ++n) {
    const dx = Math.abs(c.time[i] - t) / reach * 8;
    let dy = 0;
    if (value !== null) {
      const y = c.from[i] === shown.side ? Math.min(Math.max(value, c.begin[i]), c.begin[i] + c.length[i]) : c.acked[i];
      dy = Math.abs(u.valToPos(y, "y") - u.cursor.top);
    }
    const distance = dx + dy - (c.labels[i] ? 3 : 0);
    if (distance < least) { least = distance; best = i; }
  }
  return least < 40 ? best : -1;
}
function hover(u) {
  if (!shown || !shown.columns || u.cursor.left < 0 || u.cursor.left === null) { $("tip").hidden = true; return; }
  const i = nearest(u);
  $("tip").hidden = i < 0;
  if (i < 0) return;
  $("tip").textContent = [sentence(shown.columns, i), toldOf(shown.columns.frame[i]), ...remarksOf(i)].filter(Boolean).join(" · ");
  const box = u.over.getBoundingClientRect(), right = box.left + u.cursor.left + 16;
  $("tip").style.left = Math.min(right, innerWidth - 440) + "px";
  $("tip").style.top = Math.min(box.top + u.cursor.top + 16, innerHeight - 130) + "px";
}

// --- the segments in view
for (const [name, isNumber] of [["Frame", 1], ["Time", 1], ["Way", 0], ["Flags", 0], ["Seq", 1], ["Length", 1], ["Ack", 1], ["Window", 1], ["What it is", 0]])
  $("segments").tHead.rows[0].append(make("th", {scope: "col", class: isNumber ? "number" : ""}, name));
function showSegments() {
  const body = $("segments").tBodies[0], s = shown, c = s && s.columns;
  if (!c) { body.replaceChildren(); return; }
  const limit = 200, a = first(c.time, s.from), b = first(c.time, s.to + 1e-9);
  let begin = a;
  if (b - a > limit && s.at !== undefined && s.at >= a && s.at < b) begin = Math.max(a, Math.min(s.at - limit / 2, b - limit));
  const end = Math.min(b, begin + limit);
  $("segments-note").textContent = b - a > limit ? "The view has " + many(b - a, "segment") + "; here are " + limit + " of them. Zoom in to see others." : many(b - a, "segment") + ".";
  const rows = [];
  let before = begin > 0 ? c.time[begin - 1] : c.time[begin];
  for (let i = begin; i < end; ++i) {
    const pause = c.time[i] - before;
    if (pause > 3 * Math.max(rtt(s.connection), 0.02)) rows.push(make("tr", {}, make("td", {colspan: 9}, "⋯ " + seconds(pause) + " of silence")));
    before = c.time[i];
    const what = make("td", {class: "wide"}, ...names(c.labels[i]).map(name => make("span", {class: "label" + (bad.has(name) ? " bad" : ""), title: meanings[name]}, name)), ...remarksOf(i));
    rows.push(make("tr", {class: i === s.at ? "chosen" : ""}, ...[String(c.frame[i]), fixed(c.time[i], 6), c.from[i] === 0 ? "client →" : "← server", flags(c.what[i] & 0x1ff),
      String(c.begin[i]), String(c.length[i]), c.acked[i] === c.acked[i] ? String(c.acked[i]) : "", String(c.window[i])].map((text, k) => make("td", {class: k === 2 || k === 3 ? "" : "number"}, text)), what));
  }
  body.replaceChildren(...rows);
}

$("about").textContent = [simulation ? "" : data.file.replace(/.*\//, ""), many(data.packets, "packet"), many(data.tcp_segments, "TCP segment"), many(data.connections_total, "connection"), seconds(data.duration_s)].filter(Boolean).join(" · ");
document.title = simulation ? data.file : "estab report: " + data.file.replace(/.*\//, "");
function showSimulation() {
  if (!simulation) return;
  const r = simulation.summary;
  $("simulation").hidden = false;
  document.querySelector("h1").textContent = "estab sim run";
  $("simulated").textContent = ["seed " + r.seed, rate(r.goodput_bps) + " of goodput", percent(r.utilisation) + " of the link used",
    "queueing " + seconds(r.queue_delay_p50_s) + " (median), " + seconds(r.queue_delay_p99_s) + " (p99)",
    many(r.dropped_by_queue, "packet") + " dropped by the queue, " + many(r.dropped_by_loss, "packet") + " lost", ...r.udp.map(d => many(d.sent, "datagram") + ", " + d.arrived + " arrived"), r.marked ? many(r.marked, "packet") + " marked" : "",
    r.l4s_queue_delay_p99_s ? "low-latency queue " + seconds(r.l4s_queue_delay_p99_s) + " (p99)" : "",
    "Jain " + fixed(r.jain, 3)].filter(Boolean).join(" · ");
  const shownColumns = [["Flow", 1], ["Congestion control", 0], ["Goodput", 1], ["Retransmits", 1], ["Spurious", 1], ["Timeouts", 1], ["RTT median", 1], ["RTT p99", 1], ["Limited by", 0]];
  $("flows").tHead.rows[0].append(...shownColumns.map(([name, isNumber]) => make("th", {scope: "col", class: isNumber ? "number" : ""}, name)));
  $("flows").tBodies[0].append(...r.flows.map((f, i) => {
    const connection = data.connections.find(c => c.client === simulation.flows[i]);
    const open = make("button", {type: "button", class: "open", "aria-label": "Show flow " + (i + 1)}, String(i + 1));
    const cells = [open, f.congestion_control, rate(f.goodput_bps), f.retransmits, f.spurious, f.timeouts, seconds(f.rtt_p50_s), seconds(f.rtt_p99_s), limits(f.limited_s)];
    return make("tr", {onclick: () => connection && choose(connection)}, ...cells.map((cell, k) => make("td", {class: shownColumns[k][1] ? "number" : ""}, typeof cell === "number" ? String(cell) : cell)));
  }));
  $("violations").append(...r.violations.map(text => make("li", {}, "Referee: " + text)));
}
// The three things that a sender waited for longest.
function limits(times) {
  const all = Object.values(times).reduce((sum, t) => sum + t, 0) || 1;
  return Object.entries(times).sort((a, b) => b[1] - a[1]).slice(0, 3).filter(([, t]) => t / all >= 0.005)
    .map(([name, t]) => name.replaceAll("_", " ") + " " + fixed(100 * t / all, 0) + " %").join(", ");
}
showSimulation();
showFindings();
showConnections();
if (data.connections.length) {
  const worst = [...data.connections].sort((a, b) => lost(b) - lost(a) || sent(b) - sent(a))[0];
  choose(worst).then(() => { scrollTo(0, 0); document.activeElement.blur(); });
}
})();
