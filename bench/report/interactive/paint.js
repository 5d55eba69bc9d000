// SPDX-License-Identifier: Apache-2.0
// The picture on one canvas. Each row is walked pixel column by pixel column (two binary searches a column), so a
// frame costs the same for a hundred events as for a hundred thousand: a column with one event is a tick, one with
// many a bar whose height says how many, one inside of a folded run a paler bar. With room, events get their names.

const OVERVIEW = 36, LABEL_ROW = 15, LABEL_ROWS = 4, LANE_TITLE = 19, AXIS = 40, FEW = 28;
const COLOURS = ["ink", "soft", "line", "panel", "alt", "card", "pass", "fail", "open", "accent", "bell", "teal"];
const SANS = '11.5px system-ui, "Segoe UI", "Liberation Sans", sans-serif';
const MONO = '11.5px ui-monospace, "DejaVu Sans Mono", monospace';

class Painter {
  constructor(canvas, model, state) {
    Object.assign(this, { canvas, model, state, g: canvas.getContext("2d") });
    this.g.font = MONO;
    this.character = this.g.measureText("0").width;
    this.g.font = SANS;
    this.restyle();
  }

  /** Take the colours from the page: light, dark or paper. */
  restyle() {
    const style = getComputedStyle(this.canvas);
    this.colour = Object.fromEntries(COLOURS.map(name => [name, style.getPropertyValue(`--${name}`).trim() || "#888"]));
    const tile = document.createElement("canvas"), g = tile.getContext("2d");
    tile.width = tile.height = 8;
    g.strokeStyle = this.colour.soft;
    g.beginPath();
    for (const at of [-4, 0, 4, 8]) { g.moveTo(at, 8.5); g.lineTo(at + 8.5, 0); }
    g.stroke();
    this.hatch = this.g.createPattern(tile, "repeat");
    this.overview = null;
  }

  /** Places of everything for this width and these visible rows; sets the canvas' size. */
  layout() {
    const width = this.canvas.parentElement.clientWidth || this.width || 1000, ratio = window.devicePixelRatio || 1;
    this.left = width < 620 ? 66 : 172;
    this.right = width - 10;
    this.narrow = width < 620;
    this.rows = [];
    let y = this.top = OVERVIEW + 8 + LABEL_ROW * LABEL_ROWS, lane = "";
    for (const row of this.model.rows) {
      if (this.state.hidden.has(row.id)) continue;
      if (row.lane !== lane) y += LANE_TITLE;
      this.rows.push({ row, y, title: row.lane !== lane });
      lane = row.lane;
      y += row.height + 2;
    }
    this.bottom = y;
    this.height = y + AXIS;
    this.width = width;
    this.canvas.style.height = `${this.height}px`;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.g.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.overview = null;
  }

  x(t) { return this.left + (t - this.state.from) / (this.state.to - this.state.from) * (this.right - this.left); }
  t(x) { return this.state.from + (x - this.left) / (this.right - this.left) * (this.state.to - this.state.from); }
  get perCycle() { return (this.right - this.left) / (this.state.to - this.state.from); }

  text(text, x, y, { colour = "ink", font = SANS, align = "left" } = {}) {
    this.g.font = font;
    this.g.fillStyle = this.colour[colour];
    this.g.textAlign = align;
    this.g.fillText(text, x, y);
  }

  fill(x, y, width, height, colour, alpha = 1) {
    this.g.globalAlpha = alpha;
    this.g.fillStyle = colour === "hatch" ? this.hatch : this.colour[colour];
    this.g.fillRect(x, y, width, height);
    this.g.globalAlpha = 1;
  }

  paint() {
    const { g, state, model } = this;
    g.clearRect(0, 0, this.width, this.height);
    g.textBaseline = "alphabetic";
    this.paintOverview();
    for (const { row, y } of this.rows) this.fill(this.left, y, this.right - this.left, row.height, "panel");
    g.save();
    g.beginPath();
    g.rect(this.left, 0, this.right - this.left, this.height);
    g.clip();
    this.paintBands();
    for (const { t, key } of model.markers)
      this.span(t, t, this.top - 4, this.bottom - this.top + 4, "soft", key ? 0.6 : 0.3);
    for (const { row, y } of this.rows) this.paintRow(row, y);
    this.paintLinks();
    this.paintMarkers();
    this.paintMeasure();
    if (state.pointer) this.fill(Math.round(state.pointer.x), this.top - 6, 1, this.bottom - this.top + 6, "soft", 0.7);
    this.paintSelected();
    g.restore();
    this.paintGutter();
    this.paintAxis();
  }

  paintGutter() {
    for (const { row, y, title } of this.rows) {
      if (title) this.text(row.lane.toUpperCase(), 0, y - 5, { colour: "ink", font: "600 " + SANS });
      const focus = this.state.row === row.id, label = this.narrow ? row.short : row.label;
      if (focus) this.fill(this.left - 4, y, 3, row.height, "accent");
      this.text(label, this.left - 9, y + (row.type === "console" ? row.height / 2 : row.height / 2) + 4,
        { colour: focus ? "ink" : "soft", align: "right" });
    }
  }

  // ---- rows --------------------------------------------------------------------------------------------------

  paintRow(row, y) {
    for (const gap of row.gaps) this.span(gap.from, gap.to, y, row.height, "hatch", 0.8, "fail");
    if (row.kinds.some(kind => this.model.unrecorded.includes(kind))) this.span(-Infinity, Infinity, y, row.height, "hatch", 0.2);
    if (row.type === "state") this.paintStates(row, y);
    else if (row.type === "console") this.paintConsole(row, y);
    else this.paintEvents(row, y + 2, row.height - 4);
    for (const [from, to] of this.outside) {
      this.span(from, to, y, row.height, "panel", 0.85);
      this.span(from, to, y, row.height, "hatch", 0.35);
    }
  }

  /** Spans that the capture says nothing about: before, after, between segments, and where it is damaged. */
  get outside() {
    const parts = this.model.parts.length ? this.model.parts : [{ from: 0, to: this.model.span }];
    return [...parts, { from: Infinity }].map((part, n) => [n ? parts[n - 1].to + 1 : -Infinity, part.from]);
  }

  /** A rectangle over a span of time, at least a pixel wide; `edge`: a line at its end. */
  span(from, to, y, height, colour, alpha, edge) {
    const a = Math.max(this.left, this.x(from)), b = Math.min(this.right, this.x(to));
    if (b < this.left || a > this.right || b < a) return;
    this.fill(a, y, Math.max(1, b - a), height, colour, alpha);
    if (edge) {
      this.fill(a, y, Math.max(1, b - a), height, edge, 0.18);
      this.fill(b - 1, y, 2, height, edge);
    }
  }

  paintEvents(row, y, height, labels = true) {
    const { model } = this, columns = Math.ceil(this.right - this.left);
    const exact = new Uint32Array(columns), all = new Float64Array(columns);
    const first = place(row.times, this.t(this.left)), end = place(row.times, this.t(this.right), true);
    const few = end - first <= columns / FEW;
    const step = (this.state.to - this.state.from) / (this.right - this.left);
    let k = first, sum = model.before(row, this.state.from), most = 1;
    for (let c = 0; c < columns; c++) {
      const t = this.state.from + (c + 1) * step, next = place(row.times, t, false, k), total = model.before(row, t);
      exact[c] = next - k;
      all[c] = total - sum;
      most = Math.max(most, all[c]);
      [k, sum] = [next, total];
    }
    const thick = few ? Math.min(10, Math.max(2, this.perCycle)) : 1;
    const limit = ["RQ", "MSIX"].includes(row.id) && model.jump !== null ? this.x(model.jump) - this.left : Infinity;
    const single = most <= 1 || few;
    // Columns of the same kind and height become one rectangle: many events, yet few of those. A column's shape is its
    // height, times 4, plus 1 when it holds single events (not only folded ones), plus 2 when they came after the jump.
    let begin = 0, shape = 0;
    for (let c = 0; c <= columns; c++) {
      let next = 0;
      if (c < columns && all[c] > 1e-9) {
        const share = (single ? 1 : 0.3 + 0.7 * Math.sqrt(all[c] / most)) * (exact[c] ? 1 : 0.6);
        next = Math.round(height * share) * 4 + (exact[c] ? 1 : 0) + (c > limit ? 2 : 0);
      }
      if (next === shape && !(few && exact[c])) continue;
      const tall = shape >> 2, wide = Math.max(thick, c - begin);
      if (shape)
        this.fill(this.left + begin, y + height - tall, wide, tall, shape & 2 ? "fail" : row.colour, shape & 1 ? 1 : 0.4);
      [begin, shape] = [c, next];
    }
    if (labels && few) this.paintLabels(row, y, height, Math.max(0, first - 1), end);
  }

  /** Names beside single events, the longest that fits before the next event; runs with their count. */
  paintLabels(row, y, height, first, end) {
    for (let k = first; k < end; k++) {
      const i = row.index[k], x = this.x(row.times[k]) + Math.min(10, Math.max(2, this.perCycle)) + 4;
      const next = k + 1 < row.times.length ? this.x(row.times[k + 1]) : Infinity;
      const from = Math.max(x, this.left + 4), room = Math.min(next, this.right) - from - 3;
      if (room < this.character) continue;
      // A label that hangs over from the left of the view would hide what is there; only runs may.
      const shown = x >= this.left ? this.model.labels(i).find(text => text.length * this.character <= room) : "";
      if (shown) this.text(shown, from, y + height / 2 + 4, { font: MONO });
      const run = k + 1 < row.index.length ? this.model.between[row.index[k + 1]] : 0;
      const note = run ? `+ ${this.model.more(row.index[k + 1])}` : "", used = (shown?.length ?? 0) * this.character;
      if (run && note.length * this.character + 14 <= room - used)
        this.text(note, from + room - 6, y + height / 2 + 4, { align: "right", colour: "ink" });
    }
  }

  paintStates(row, y) {
    const columns = Math.ceil(this.right - this.left), step = (this.state.to - this.state.from) / (this.right - this.left);
    const on = row.on ?? (v => v), value = k => (k ? row.values[k - 1] : row.initial), inner = row.height - 6;
    let begin = 0, k = place(row.times, this.state.from, true), busy = false;
    const flush = (c, k0, many) => {
      const x = this.left + begin, width = this.left + c - x;
      if (width <= 0) return;
      if (many) this.fill(x, y + 3, width, inner, row.colour, 0.75);
      else if (on(value(k0))) this.fill(x, y + 3, width, inner, row.colour, 0.42);
      else this.fill(x, y + row.height - 4, width, 1.5, "soft", 0.45);
      if (many) return;
      const text = String(row.text(value(k0))), fits = Math.floor((width - 8) / 6.2);
      const shown = [text, text.split(/[:,]/)[0]].find(one => one.length <= fits);
      if (shown) this.text(shown, x + 5, y + (on(value(k0)) ? 14 : 12), { colour: on(value(k0)) ? "ink" : "soft" });
    };
    for (let c = 0; c < columns; c++) {
      const next = place(row.times, this.state.from + (c + 1) * step, true);
      const many = next - k > 1 || (next > k && busy);
      if (next !== k) {
        if (!busy) flush(c, k, false);
        if (!busy) begin = c;
        busy = many || next > k;
      } else if (busy) {
        flush(c, k, true);
        begin = c;
        busy = false;
      }
      k = next;
    }
    flush(columns, k, busy);
  }

  paintConsole(row, y) {
    const { model, state } = this, text = y + 2, strip = y + row.height - 11;
    const first = place(row.times, state.from), end = place(row.times, state.to, true);
    const wide = end > first && end - first <= (this.right - this.left) / (this.character + 2);
    this.paintEvents(row, strip, 8, false);
    // Lines that begin in the view, and the one that is still being printed at its left edge. Key lines come first.
    let a = place(model.lineTimes, state.from), b = place(model.lineTimes, state.to, true);
    if (a > 0 && model.lines[a - 1].to > state.from) a--;
    const keys = new Set(model.markers.filter(m => m.key).map(m => m.t)), hits = new Set(state.search.hits);
    const order = [[], [], []];
    for (let n = a; n < b; n++) order[hits.has(n) ? 0 : keys.has(model.lines[n].from) ? 1 : 2].push(n);
    const placed = Array.from({ length: wide ? 2 : 3 }, () => []);
    for (const n of order.flat().slice(0, 600)) {
      const line = model.lines[n], x = Math.max(this.left + 3, this.x(line.from) + 3);
      const full = line.text.length * this.character;
      for (const [level, taken] of placed.entries()) {
        const next = Math.min(this.right, ...taken.filter(o => o[0] >= x).map(o => o[0] - 8));
        if (taken.some(o => o[0] < x && o[1] + 8 > x) || next - x < Math.min(full, 70)) continue;
        const fits = Math.floor((next - x) / this.character), most = n === state.search.at ? fits : Math.min(fits, 90);
        const shown = line.text.length > most ? line.text.slice(0, most - 1) + "…" : line.text;
        const width = shown.length * this.character, top = text + level * 17;
        if (hits.has(n)) this.fill(x - 2, top, width + 4, 15, "open", 0.35);
        this.fill(x - 3, top + 2, 1, strip - top - 2, "soft", 0.5);
        this.text(shown, x, top + 12, { font: MONO, colour: "ink" });
        taken.push([x, x + width]);
        break;
      }
    }
    if (!wide) return;
    for (let k = first; k < end; k++) {
      const byte = model.aux[row.index[k]] & 0xff, x = this.x(row.times[k]);
      const shown = byte > 32 && byte < 127 ? String.fromCharCode(byte) : { 10: "␊", 13: "␍", 32: "␣" }[byte] ?? "·";
      this.text(shown, x, strip - 3, { font: MONO, colour: model.flags[row.index[k]] & model.names.flags.ERROR ? "fail" : "ink" });
    }
  }

  /** From each request to its completion, as soon as single pairs can be told apart. */
  paintLinks() {
    const { g, model } = this, at = new Map(this.rows.map(({ row, y }) => [row.id, y]));
    for (const [ask, answer] of [["CQ", "CC"], ["RQ", "RC"]]) {
      if (!at.has(ask) || !at.has(answer)) continue;
      const row = model.byKind.get(answer);
      const first = place(row.times, this.state.from);
      const end = Math.min(row.times.length, place(row.times, this.state.to, true) + 50);
      if (end - first > (this.right - this.left) / 6) continue;
      g.strokeStyle = this.colour.soft;
      g.lineWidth = 1.2;
      const [from, to] = [at.get(ask) + 24, at.get(answer) + 3];
      for (let k = first; k < end; k++) {
        const request = model.partner[row.index[k]];
        if (request < 0) continue;
        const a = this.x(model.time[request]) + 1, b = this.x(row.times[k]) + 1;
        g.beginPath();
        g.moveTo(a, from);
        g.bezierCurveTo(a, from + 8, b, to - 8, b, to);
        g.stroke();
      }
    }
  }

  // ---- across all rows ---------------------------------------------------------------------------------------

  paintBands() {
    for (const band of this.model.bands) {
      const a = this.x(band.from), b = this.x(band.to);
      if (b - a < 1.5 || b < this.left || a > this.right) continue;
      this.span(band.from, band.to, this.top, this.bottom - this.top, band.colour, band.colour === "pass" ? 0.16 : 0.28);
      if (b - a > band.name.length * 7)
        this.text(band.name, Math.max(a, this.left) + 4, this.bottom - 3, { font: "600 " + SANS });
    }
  }

  paintMarkers() {
    const shown = this.model.markers.map(marker => ({ marker, x: this.x(marker.t) }))
      .filter(({ x }) => x >= this.left - 1 && x <= this.right + 1);
    const placed = Array.from({ length: LABEL_ROWS }, () => []), base = OVERVIEW + 8;
    const labels = [];
    for (const { marker, x } of [...shown].sort((a, b) => b.marker.key - a.marker.key)) {
      const when = this.model.duration(marker.t - this.state.zero, { sign: true });
      this.g.font = "600 " + SANS;
      const name = this.g.measureText(marker.name).width;
      this.g.font = SANS;
      const width = name + 6 + this.g.measureText(when).width, left = Math.min(x, this.right - width - 6);
      const level = placed.findIndex(taken => !taken.some(o => left < o[1] + 8 && left + width > o[0] - 4));
      if (level < 0) continue;
      placed[level].push([left, left + width]);
      labels.push({ marker, x, left, width, name, when, y: base + level * LABEL_ROW });
    }
    for (const { x, y } of labels) this.fill(x, y + 1, 1, this.top - y - 5, "soft", 0.6);
    for (const { marker, left, width, name, when, y } of labels) {
      this.fill(left + 2, y, width + 5, LABEL_ROW - 1, "card");
      this.text(marker.name, left + 4, y + 11, { font: "600 " + SANS, colour: marker.name.includes("after") ? "fail" : "ink" });
      this.text(when, left + 9 + name, y + 11, { colour: "soft" });
    }
  }

  paintMeasure() {
    const { measure } = this.state;
    if (!measure) return;
    const [a, b] = [measure.a, measure.b].sort((p, q) => p - q), span = b - a;
    this.span(a, b, this.top - 6, this.bottom - this.top + 6, "accent", 0.16);
    for (const t of [a, b]) this.fill(this.x(t), this.top - 6, 1.5, this.bottom - this.top + 6, "accent");
    const text = `Δ ${this.model.duration(span, { exact: true })} = ${count(span)} cycles`;
    this.g.font = "600 " + SANS;
    const width = this.g.measureText(text).width + 12;
    const x = Math.min(Math.max(this.left + 2, (this.x(a) + this.x(b) - width) / 2), this.right - width - 2);
    this.fill(x, this.bottom - 22, width, 18, "card", 0.95);
    this.text(text, x + 6, this.bottom - 9, { font: "600 " + SANS, colour: "accent" });
  }

  paintSelected() {
    const { row: id, selected } = this.state, at = this.rows.find(({ row }) => row.id === id);
    if (selected === null || !at) return;
    const x = this.x(at.row.times[selected]);
    this.fill(x, this.top - 6, 1, this.bottom - this.top + 6, "accent");
    this.g.strokeStyle = this.colour.accent;
    this.g.lineWidth = 2;
    this.g.strokeRect(x - 3, at.y + 1, Math.min(10, Math.max(2, this.perCycle)) + 6, at.row.height - 2);
  }

  paintAxis() {
    const { model, state } = this, y = this.bottom + 1, cycles = state.axis === "cycles";
    const unitCycles = cycles ? 1 : model.clock_hz;
    this.fill(this.left, y, this.right - this.left, 1, "soft");
    const span = (state.to - state.from) / unitCycles, wanted = Math.max(2, Math.floor((this.right - this.left) / 92));
    const rough = span / wanted, power = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(power * [1, 2, 5, 10].find(f => f * power >= rough * 0.999), cycles ? 1 : 1e-12);
    // Far from zero the labels would be long: they count from a round time that is written below, once.
    const start = (state.from - state.zero) / unitCycles, large = step * 1000;
    const base = Math.abs(start) / step > 20000 ? Math.floor(start / large) * large : 0;
    const biggest = Math.max(Math.abs(start - base), Math.abs(start + span - base));
    const fits = ([, scale]) => biggest >= scale && step >= scale * 1e-3;
    const [unit, scale] = cycles ? ["cycles", 1] : UNITS.find(fits) ?? UNITS.at(-1);
    for (let n = Math.ceil((start - base) / step); base + n * step <= start + span; n++) {
      const x = this.x((base + n * step) * unitCycles + state.zero);
      if (x < this.left || x > this.right) continue;
      this.fill(x, y, 1, 5, "soft");
      const value = n * step / scale, digits = Math.max(0, -Math.floor(Math.log10(step / scale) + 1e-9));
      const shown = (base && n > 0 ? "+" : "") + value.toFixed(Math.min(9, digits)).replace("-", "−");
      const half = shown.length * 3.2;
      if (x - half >= this.left - 8 && x + half <= this.right + 4)
        this.text(cycles ? grouped(shown) : shown, x, y + 17, { align: "center", colour: "soft" });
    }
    const round = cycles ? `cycle ${count(base)}` : `${base.toFixed(9).replace(/\.?0+$/, "").replace("-", "−")} s`;
    const cycle = this.narrow ? "" : ` · 1 cycle = ${model.duration(1)}`;
    this.text(`${unit} ${base ? `after ${round} ` : ""}from ${state.zeroName}${cycle}`, (this.left + this.right) / 2, y + 34,
      { align: "center", colour: "soft" });
  }

  // ---- overview ----------------------------------------------------------------------------------------------

  overviewX(t) { return this.left + t / (this.model.span || 1) * (this.right - this.left); }
  overviewT(x) { return (x - this.left) / (this.right - this.left) * (this.model.span || 1); }

  paintOverview() {
    if (!this.overview) this.overview = this.drawOverview();
    this.g.drawImage(this.overview, 0, 0, this.width, OVERVIEW);
    const a = Math.max(this.left, this.overviewX(this.state.from)), b = Math.min(this.right, this.overviewX(this.state.to));
    this.fill(this.left, 0, Math.max(0, a - this.left), OVERVIEW, "alt", 0.6);
    this.fill(b, 0, Math.max(0, this.right - b), OVERVIEW, "alt", 0.6);
    this.g.strokeStyle = this.colour.accent;
    this.g.lineWidth = 1.5;
    const middle = (a + b) / 2, half = Math.max(2, (b - a) / 2);
    this.g.strokeRect(middle - half, 1, 2 * half, OVERVIEW - 2);
    this.text(this.narrow ? "all" : "whole capture", this.left - 9, OVERVIEW / 2 + 4, { colour: "soft", align: "right" });
  }

  /** The whole capture, once for each size and style. */
  drawOverview() {
    const picture = document.createElement("canvas"), ratio = window.devicePixelRatio || 1, shown = this.g;
    picture.width = this.canvas.width;
    picture.height = Math.round(OVERVIEW * ratio);
    this.g = picture.getContext("2d");
    this.g.setTransform(ratio, 0, 0, ratio, 0, 0);
    const view = [this.state.from, this.state.to];
    [this.state.from, this.state.to] = [0, this.model.span || 1];
    this.fill(this.left, 0, this.right - this.left, OVERVIEW, "panel");
    const by = id => this.model.rows.find(row => row.id === id);
    this.paintEvents(by("CONSOLE"), 3, 9, false);
    for (const [id, y] of [["CQ", 14], ["RQ", 23]]) this.paintEvents(by(id), y, id === "CQ" ? 7 : 12, false);
    [this.state.from, this.state.to] = view;
    for (const marker of this.model.markers) if (marker.key) this.fill(this.overviewX(marker.t), 0, 1, OVERVIEW, "ink", 0.5);
    this.g = shown;
    return picture;
  }
}
