// SPDX-License-Identifier: Apache-2.0
// What the user does with a timeline, and the hook that tests use:
//
//   window.vkbench.timelines        one Timeline for each on the page, in its order
//   await timeline.ready            decoded and painted for the first time
//   timeline.snapshot()             {from, to, zero, row, selected, measure, axis, search, hover, rows, ...}: plain values,
//                                   times in cycles since the first record
//   timeline.x(t), timeline.y(row)  where a time and a row are on the canvas, CSS pixels
//   timeline.show(from, to)         choose the view;  timeline.frames: milliseconds of the latest repaints

const SPAN_LEAST = 6, NEAR = 7;  // cycles; pixels
const KEYS = "Keys: ← → pan, ↑ ↓ choose a row, + − zoom, 0 everything, n p next and previous event of the row, " +
  "[ ] measure from and to the selected event, z time zero there, m markers, / search, Esc clear. " +
  "Drag pans, Shift-drag measures, the wheel zooms once the picture is clicked (or with Ctrl).";

class Timeline {
  constructor(root) {
    this.root = root;
    this.find = name => root.querySelector(`[data-vkt="${name}"]`);
    this.box = this.find("picture");
    this.canvas = this.find("canvas");
    this.tip = this.find("tip");
    this.frames = [];
    this.pointers = new Map();
    this.ready = this.start();
  }

  async start() {
    const scene = JSON.parse(this.find("data").textContent);
    this.model = new Model(scene, await unpack(scene.records, scene.count));
    delete this.model.records;
    const zero = scene.markers.find(marker => marker.t === scene.zero);
    this.state = {
      from: 0, to: 1, zero: scene.zero, zeroName: zero?.name ?? "the first record", axis: "time", row: "RQ", selected: null,
      measure: null, pointer: null, hover: null, hidden: new Set(), search: { text: "", hits: [], at: -1 },
    };
    this.painter = new Painter(this.canvas, this.model, this.state);
    this.controls();
    this.listen();
    this.painter.layout();
    const first = scene.views[0];
    this.show(first.from, first.to, first.name === "all" ? 0.02 : 0);
    this.paint();
    this.painted = performance.now();
    if (this.root.closest("[data-vkt-alone]")) this.box.focus({ preventScroll: true });
  }

  // ---- view --------------------------------------------------------------------------------------------------

  /** Show this span (with a margin, a share of it); never outside of the capture, never closer than cycles can be told. */
  show(from, to, margin = 0) {
    const total = this.model.span || 1, room = total * 0.05 + 20;
    const span = Math.min(Math.max((to - from) * (1 + 2 * margin), SPAN_LEAST), total + 2 * room);
    const middle = (from + to) / 2, start = Math.min(Math.max(middle - span / 2, -room), total + room - span);
    [this.state.from, this.state.to] = [start, start + span];
    this.repaint();
  }

  /** Zoom by a factor about a time that stays where it is. */
  zoom(factor, t = this.anchor()) {
    const { from, to } = this.state, span = Math.min(Math.max((to - from) / factor, SPAN_LEAST), this.model.span * 1.1 + 40);
    const share = (t - from) / (to - from);
    this.show(t - share * span, t + (1 - share) * span);
  }

  pan(share) {
    const by = (this.state.to - this.state.from) * share;
    this.show(this.state.from + by, this.state.to + by);
  }

  /** What the keyboard zooms about: the selected event when it is in the view, else the middle. */
  anchor() {
    const t = this.selectedTime();
    return t !== null && t >= this.state.from && t <= this.state.to ? t : (this.state.from + this.state.to) / 2;
  }

  jump(t) {
    const span = Math.min(this.state.to - this.state.from, Math.max(this.model.span / 20, SPAN_LEAST));
    this.show(t - span / 2, t + span / 2);
  }

  repaint() {
    this.asked ??= requestAnimationFrame(() => this.paint());
  }

  paint() {
    cancelAnimationFrame(this.asked);
    this.asked = undefined;
    const begin = performance.now();
    this.painter.paint();
    this.frames.push(performance.now() - begin);
    if (this.frames.length > 1000) this.frames.shift();
  }

  // ---- selection ---------------------------------------------------------------------------------------------

  get row() { return this.model.rows.find(row => row.id === this.state.row); }
  selectedTime() { return this.state.selected === null ? null : this.row.times[this.state.selected]; }

  select(id, k) {
    Object.assign(this.state, { row: id, selected: k });
    this.find("said").textContent = k === null ? "" : this.model.describe(this.row.index[k], this.state.zero).join(" · ");
    this.repaint();
  }

  /** Next or previous event of the row; the view follows. */
  step(by) {
    const { row, state } = this, last = row.times.length - 1;
    if (last < 0) return;
    const middle = (state.from + state.to) / 2;
    const k = state.selected === null ? place(row.times, middle) - (by > 0 ? 0 : 1) : state.selected + by;
    this.select(row.id, Math.min(last, Math.max(0, k)));
    const t = this.selectedTime(), span = state.to - state.from;
    if (t < state.from + span * 0.05 || t > state.to - span * 0.05) this.show(t - span / 2, t + span / 2);
  }

  chooseRow(by) {
    const ids = this.painter.rows.map(({ row }) => row.id), at = ids.indexOf(this.state.row) + by;
    const t = this.selectedTime(), id = ids[Math.min(ids.length - 1, Math.max(0, at))];
    this.state.selected = null;
    const row = this.model.rows.find(other => other.id === id);
    const k = t === null ? null : this.nearest(row, t);
    this.select(id, k);
  }

  nearest(row, t) {
    if (!row.times.length) return null;
    const k = place(row.times, t);
    return k > 0 && (k === row.times.length || t - row.times[k - 1] < row.times[k] - t) ? k - 1 : k;
  }

  /** What is under a point: {row, k} for an event, {row, from, to, events} for several in a column, {row} else. */
  under(x, y) {
    const at = this.painter.rows.find(({ row, y: top }) => y >= top && y < top + row.height);
    if (!at || x < this.painter.left || x > this.painter.right) return null;
    const { row } = at, t = this.painter.t(x);
    const a = place(row.times, this.painter.t(x - 1)), b = place(row.times, this.painter.t(x + 1));
    if (b - a > 1) return { row, a, b };
    const k = this.nearest(row, t);
    const within = k !== null && t >= row.times[k] && t < row.times[k] + 1;
    if (within || k !== null && Math.abs(this.painter.x(row.times[k]) - x) <= NEAR) return { row, k };
    return { row, t };
  }

  hover(x, y) {
    const found = this.under(x, y), lines = (found && this.model.tell(found, this.state.zero)) ?? this.acrossWords(x, y);
    Object.assign(this.state, { pointer: x >= this.painter.left && x <= this.painter.right ? { x, y } : null, hover: lines });
    this.tip.hidden = !lines;
    if (lines) {
      this.tip.replaceChildren(...lines.map(text => Object.assign(document.createElement("div"), { textContent: text })));
      const width = Math.min(460, this.painter.width - 12);
      this.tip.style.maxWidth = `${width}px`;
      const left = Math.min(x + 14, this.painter.width - Math.min(width, this.tip.offsetWidth) - 6);
      this.tip.style.left = `${Math.max(4, left)}px`;
      const below = y + 18 + this.tip.offsetHeight <= this.painter.height;
      this.tip.style.top = `${below ? y + 18 : y - this.tip.offsetHeight - 10}px`;
    }
    this.repaint();
  }

  /** The marker or the band under a point. */
  acrossWords(x, y) {
    if (y <= OVERVIEW || y >= this.painter.bottom || x < this.painter.left) return null;
    const near = this.model.markers.find(marker => Math.abs(this.painter.x(marker.t) - x) <= 4);
    if (near) return [near.name, near.text, this.model.duration(near.t - this.state.zero, { sign: true, exact: true })];
    const t = this.painter.t(x), band = this.model.bands.find(one => one.from <= t && t <= one.to);
    return band ? [band.text, `${this.model.duration(band.to - band.from)} = ${count(band.to - band.from)} cycles`] : null;
  }

  /** The time of the event next to a point, when there is one; else the time at the point. */
  snap(x, y) {
    const found = this.under(x, y);
    if (found?.k !== undefined) return found.row.times[found.k];
    return Math.round(this.painter.t(x));
  }

  // ---- controls ----------------------------------------------------------------------------------------------

  listen() {
    const { box, canvas } = this, at = event => {
      const edge = canvas.getBoundingClientRect();
      return [event.clientX - edge.left, event.clientY - edge.top];
    };
    canvas.addEventListener("pointerdown", event => {
      if (event.button) return;
      box.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      const [x, y] = at(event);
      this.pointers.set(event.pointerId, [x, y]);
      const kind = y < OVERVIEW ? "overview" : event.shiftKey ? "measure" : "pan";
      this.drag = { kind, x, y, last: x, moved: false, from: this.snap(x, y) };
      if (this.drag.kind === "overview") this.overviewTo(x);
    });
    canvas.addEventListener("pointermove", event => {
      const [x, y] = at(event), { drag } = this;
      if (this.pointers.size === 2 && this.pointers.has(event.pointerId)) return this.pinch(event.pointerId, x, y);
      if (!drag) return this.hover(x, y);
      drag.moved ||= Math.abs(x - drag.x) > 3;
      if (drag.kind === "overview") this.overviewTo(x);
      else if (drag.kind === "measure") this.setMeasure(drag.from, this.snap(x, y));
      else if (drag.moved) {
        const by = (drag.last - x) / this.painter.perCycle;
        drag.last = x;
        this.show(this.state.from + by, this.state.to + by);
      }
    });
    const end = event => {
      this.pointers.delete(event.pointerId);
      const { drag } = this;
      this.drag = null;
      if (event.type !== "pointerup" || !drag || drag.moved || drag.kind !== "pan") return;
      const found = this.under(...at(event));
      if (found) this.select(found.row.id, found.k ?? found.a ?? null);
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", () => this.hover(-1, -1));
    canvas.addEventListener("wheel", event => {
      if (!box.contains(document.activeElement) && !event.ctrlKey) return;  // let the page scroll
      event.preventDefault();
      const [x, y] = at(event), pixels = event.deltaMode ? 30 : 1;
      const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (sideways) this.pan((event.deltaX || event.deltaY) * pixels / 1000);
      else this.zoom(2 ** (-event.deltaY * pixels / 200), this.painter.t(x));
      this.hover(x, y);
    }, { passive: false });
    box.addEventListener("keydown", event => this.key(event));
    new ResizeObserver(() => {
      if (box.clientWidth === this.painter.width || !box.clientWidth) return;
      this.painter.layout();
      this.paint();
    }).observe(box);
    for (const query of ["(prefers-color-scheme: dark)", "print"])
      matchMedia(query).addEventListener("change", () => {
        this.painter.restyle();
        this.painter.layout();
        this.paint();
      });
  }

  overviewTo(x) {
    const t = this.painter.overviewT(x), half = (this.state.to - this.state.from) / 2;
    this.show(t - half, t + half);
  }

  pinch(id, x, y) {
    const [, other] = [...this.pointers].find(([key]) => key !== id), before = this.pointers.get(id);
    const apart = (a, b) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const factor = apart([x, y], other) / apart(before, other);
    this.pointers.set(id, [x, y]);
    if (this.drag) this.drag.moved = true;
    this.zoom(factor, this.painter.t((x + other[0]) / 2));
  }

  key(event) {
    const act = {
      ArrowLeft: () => this.pan(-0.15), ArrowRight: () => this.pan(0.15),
      PageUp: () => this.pan(-0.9), PageDown: () => this.pan(0.9),
      Home: () => this.jump(0), End: () => this.jump(this.model.span),
      ArrowUp: () => this.chooseRow(-1), ArrowDown: () => this.chooseRow(1),
      "+": () => this.zoom(2), "=": () => this.zoom(2), "-": () => this.zoom(0.5), 0: () => this.show(0, this.model.span, 0.02),
      n: () => this.step(1), p: () => this.step(-1), "[": () => this.edge("a"), "]": () => this.edge("b"),
      z: () => this.selectedTime() !== null && this.setZero(this.selectedTime(), "the selected event"),
      m: () => this.openMarkers(), "/": () => this.find("search").focus(),
      Escape: () => { this.setMeasure(null); this.select(this.state.row, null); },
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  openMarkers() {
    this.find("events").open = true;
    this.find("events").querySelector("button")?.focus();
  }

  setMeasure(a, b) {
    this.state.measure = a === null ? null : { a, b };
    const span = Math.abs(b - a);
    if (this.state.measure)
      this.find("said").textContent = `Measured: ${this.model.duration(span, { exact: true })} = ${count(span)} cycles`;
    this.repaint();
  }

  edge(which) {
    const t = this.selectedTime() ?? Math.round((this.state.from + this.state.to) / 2), { measure } = this.state;
    const both = measure ?? { a: t, b: t };
    this.setMeasure(which === "a" ? t : both.a, which === "b" ? t : both.b);
  }

  setZero(t, name) {
    Object.assign(this.state, { zero: t, zeroName: name });
    const cells = this.root.querySelectorAll("[data-vkt-when]");
    for (const cell of cells) cell.textContent = this.model.duration(Number(cell.dataset.vktWhen) - t, { sign: true });
    if (this.state.selected !== null) this.select(this.state.row, this.state.selected);
    this.repaint();
  }

  controls() {
    const { model } = this, zeroes = this.find("zero");
    const button = (text, act, title = "") =>
      Object.assign(document.createElement("button"), { type: "button", textContent: text, title, onclick: act });
    this.find("views").append(
      button("−", () => this.zoom(0.5), "zoom out"), button("+", () => this.zoom(2), "zoom in"),
      ...model.views.map(view => button(view.name, () => this.show(view.from, view.to, view.name === "all" ? 0.02 : 0))));
    zeroes.append(new Option("the first record", "0"), ...model.markers.map((m, k) => new Option(m.name, `m${k}`)),
      new Option("the selected event", "s"));
    const initial = model.markers.findIndex(marker => marker.t === model.zero);
    zeroes.value = initial < 0 ? "0" : `m${initial}`;
    zeroes.onchange = () => {
      const marker = model.markers[Number(zeroes.value.slice(1))];
      if (zeroes.value === "s") this.setZero(this.selectedTime() ?? this.anchor(), "the selected event");
      else if (zeroes.value === "0") this.setZero(0, "the first record");
      else this.setZero(marker.t, marker.name);
    };
    this.find("axis").onchange = event => {
      this.state.axis = event.target.checked ? "cycles" : "time";
      this.repaint();
    };
    const search = this.find("search");
    search.oninput = () => this.search(search.value);
    search.onkeydown = event => {
      if (event.key === "Enter") this.nextHit(event.shiftKey ? -1 : 1);
      else if (event.key === "Escape") { search.value = ""; this.search(""); this.box.focus(); }
    };
    this.find("filters").append(...model.rows.map(row => {
      const label = document.createElement("label");
      const tick = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
      tick.onchange = () => {
        this.state.hidden[tick.checked ? "delete" : "add"](row.id);
        this.painter.layout();
        this.paint();
      };
      label.append(tick, ` ${row.label} (${count(row.total)})`);
      return label;
    }));
    for (const one of this.root.querySelectorAll("[data-vkt-jump]"))
      one.onclick = () => {
        this.jump(Number(one.dataset.vktJump));
        this.box.focus({ preventScroll: true });
        this.box.scrollIntoView({ block: "nearest" });
      };
    this.find("help").textContent = KEYS;
    this.setZero(this.state.zero, this.state.zeroName);
  }

  search(text) {
    const wanted = text.toLowerCase(), hits = [];
    if (wanted) this.model.lines.forEach((line, n) => { if (line.text.toLowerCase().includes(wanted)) hits.push(n); });
    this.state.search = { text, hits, at: -1 };
    this.find("hits").textContent = wanted ? `${hits.length} ${hits.length === 1 ? "line" : "lines"}` : "";
    this.repaint();
  }

  nextHit(by) {
    const { search } = this.state, { hits } = search;
    if (!hits.length) return;
    const at = hits.indexOf(search.at), n = hits[at < 0 ? 0 : (at + by + hits.length) % hits.length];
    search.at = n;
    this.find("hits").textContent = `${hits.indexOf(n) + 1} of ${hits.length}`;
    const line = this.model.lines[n];
    this.jump(line.from);
    this.select("CONSOLE", this.nearest(this.model.byKind.get("CONSOLE"), line.from));
  }

  // ---- hook for tests ----------------------------------------------------------------------------------------

  snapshot() {
    const { from, to, zero, zeroName, row, selected, measure, axis, hover } = this.state;
    return {
      from, to, zero, zeroName, row, selected: selected === null ? null : this.model.number[this.row.index[selected]],
      measure: measure && { ...measure }, axis, hover, search: this.state.search.hits.map(n => this.model.lines[n].text),
      rows: this.painter.rows.map(({ row: one }) => one.id), count: this.model.count, said: this.find("said").textContent,
    };
  }

  x(t) { return this.painter.x(t); }
  y(id) {
    const at = this.painter.rows.find(({ row }) => row.id === id);
    return at && at.y + at.row.height / 2;
  }
}

window.vkbench = { timelines: [...document.querySelectorAll(".vkt")].map(root => new Timeline(root)) };
for (const timeline of window.vkbench.timelines)
  timeline.ready.catch(error => {
    timeline.find("said").textContent = `The timeline cannot be drawn: ${error.message}`;
    throw error;
  });
