// SPDX-License-Identifier: Apache-2.0
// The capture as the page uses it: columns of records, rows of events and states, lines of console text, pairs of
// request and completion, and what one record says. Times are cycles since the first record.

/** First place from `low` on in the sorted array `a` whose value is >= x (after = false) or > x (after = true). */
function place(a, x, after = false, low = 0) {
  let high = a.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (after ? a[middle] <= x : a[middle] < x) low = middle + 1; else high = middle;
  }
  return low;
}

/** Undoes pack.encode(): typed arrays, one a field. */
async function unpack(text, count) {
  const raw = atob(text), packed = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) packed[i] = raw.charCodeAt(i);
  const inflated = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(inflated).arrayBuffer());
  const byte = plane => bytes.subarray(plane * count, (plane + 1) * count);
  const dword = plane => {
    const [a, b, c, d] = [0, 1, 2, 3].map(k => byte(plane + k)), out = new Uint32Array(count);
    for (let i = 0; i < count; i++) out[i] = a[i] | b[i] << 8 | c[i] << 16 | d[i] << 24;
    return out;
  };
  const low = dword(0), high = dword(4), time = new Float64Array(count);
  for (let i = 1; i < count; i++) time[i] = time[i - 1] + (high[i] | 0) * 2 ** 32 + low[i];
  const number = dword(36);
  for (let i = 1; i < count; i++) number[i] += number[i - 1];
  const auxLow = byte(10), auxHigh = byte(11), aux = new Uint16Array(count);
  for (let i = 0; i < count; i++) aux[i] = auxLow[i] | auxHigh[i] << 8;
  return {
    time, number, kind: byte(8), flags: byte(9), aux,
    data: dword(12), dw: [dword(16), dword(20), dword(24), dword(28)], between: dword(32),
  };
}

const UNITS = [["s", 1], ["ms", 1e-3], ["µs", 1e-6], ["ns", 1e-9]];
const hex = (value, digits = 1) => "0x" + value.toString(16).padStart(digits, "0");
const grouped = digits => String(digits).replace(/\B(?=(\d{3})+$)/g, "\u202f");
const count = value => grouped(Math.round(value));

class Model {
  constructor(scene, columns) {
    Object.assign(this, scene, columns);
    this.kinds = scene.names.kinds;
    this.selftest = scene.names.flags.SELFTEST;
    this.places = [];  // by kind: the records that were seen on the wire
    for (let i = 0; i < this.count; i++) if (!(this.flags[i] & this.selftest)) (this.places[this.kind[i]] ??= []).push(i);
    this.lines = scene.merged.includes("CONSOLE") ? [] : this.consoleLines();  // a text with holes is no text
    this.partner = this.pairs();
    this.rows = [...this.eventRows(), ...this.stateRows()].sort((a, b) => a.order - b.order);
    this.byKind = new Map(this.rows.flatMap(row => row.kinds.map(kind => [kind, row])));
    this.findGaps();
  }

  // ---- rows --------------------------------------------------------------------------------------------------

  /** These records as a row. `running[k]`: events up to and including the k-th, folded ones too. */
  row(about, found) {
    const index = Uint32Array.from(found), times = new Float64Array(index.length), running = new Float64Array(index.length);
    let sum = 0;
    for (let k = 0; k < index.length; k++) {
      times[k] = this.time[index[k]];
      running[k] = sum += 1 + this.between[index[k]];
    }
    return { type: "event", height: 20, gaps: [], ...about, index, times, running, total: sum };
  }

  ofKinds(about) {
    const lists = about.kinds.map(name => this.places[this.kinds[name]] ?? []);
    return this.row(about, lists.length > 1 ? lists.flat().sort((a, b) => a - b) : lists[0]);
  }

  eventRows() {
    const tlp = (order, kind, label) =>
      this.ofKinds({ order, id: kind, lane: "Link", kinds: [kind], label, short: kind, type: "tlp", height: 26 });
    const rows = [
      this.ofKinds({ order: 0, id: "CONSOLE", lane: "Console", kinds: ["CONSOLE"], label: "text and bytes",
        short: "text", type: "console", height: 66, colour: "soft" }),
      { ...tlp(10, "CQ", "host → card: requests"), colour: "accent" },
      { ...tlp(11, "CC", "card → host: completions"), colour: "teal" },
      { ...tlp(12, "RQ", "card → host: requests"), colour: "accent" },
      { ...tlp(13, "RC", "host → card: completions"), colour: "teal" },
      this.ofKinds({ order: 14, id: "CONFIG", lane: "Link", kinds: ["CONFIG"], label: "configuration", short: "config",
        colour: "accent" }),
      this.ofKinds({ order: 40, id: "MSIX", lane: "Engine", kinds: ["MSIX"], label: "interrupts", short: "MSI-X",
        colour: "bell" }),
      this.ofKinds({ order: 50, id: "MARK", lane: "Engine", kinds: ["MARK", "TRIGGER"], label: "marks, trigger",
        short: "marks", colour: "bell" }),
    ];
    return rows.filter(row => row.index.length || ["CONSOLE", "CQ", "RQ"].includes(row.id));
  }

  /** A row whose events change a state. `values[k]` holds from event k on, `initial` before the first. */
  states(about, row, before, now, text) {
    const values = Array.from(row.index, now);
    const initial = row.index.length ? before(row.index[0]) : 0;
    return { ...row, ...about, type: "state", height: 20, values, initial, text };
  }

  stateRows() {
    const rows = [], names = this.names;
    const bits = (value, table) =>
      Object.entries(table).filter(([bit]) => value & bit).map(([, name]) => name).join(", ");
    const engine = (order, id, label, short, colour) => ({ order, id, label, short, lane: "Engine", colour });
    const gate = this.ofKinds({ kinds: ["GATE"] });
    rows.push(this.states(engine(20, "GATE", "quiesce gate", "gate", "pass"), gate, i => (this.aux[i] ? 0 : -1),
      i => (this.aux[i] & 1 ? this.data[i] || -1 : 0),
      v => (v ? "closed" + (v > 0 ? `: ${bits(v, names.causes)}` : "") : "open")));
    const command = this.ofKinds({ kinds: ["CFG"] });
    rows.push(this.states(engine(21, "BME", "bus master enable", "BME", "accent"), command, i => this.data[i],
      i => this.aux[i], v => (v & 4 ? "on" : "off") + `, Command ${hex(v, 4)}`));
    rows.at(-1).on = v => v & 4;
    const reset = this.ofKinds({ kinds: ["RESET"] }), active = [];
    const ENDS = { PERST_ASSERTED: "PERST_RELEASED", FLR_STARTED: "FLR_DONE", CARD_RESET_STARTED: "CARD_READY" };
    let now = [];
    for (const i of reset.index) {
      const name = names.resets[this.aux[i]] ?? `reset ${this.aux[i]}`;
      now = now.filter(other => ENDS[other] !== name);
      if (name in ENDS) now = [...now.filter(other => other !== name), name];
      active.push(now.map(one => one.replace(/_.*/, "").replace("PERST", "PERST#").replace("CARD", "card reset")).join(", "));
    }
    let k = 0;
    rows.push(this.states(engine(22, "RESET", "resets", "reset", "open"), reset, () => "", () => active[k++], v => v));
    return [...rows, ...this.levelRows()].filter(row => row.index.length || row.id === "GATE");
  }

  /** Slow levels (layout.LEVELS), those that were ever set, grouped into rows. */
  levelRows() {
    const GROUPS = [  // order, lane, label, short label, colour, {level: what is written when it is set}
      [15, "Link", "link state", "link", "pass", { link_up: "", link_speed: "", link_width: "", ltssm: "" }],
      [23, "Engine", "MSI-X enable", "MSI-X en", "accent", { msix_enable: "on", msix_mask: "masked" }],
      [24, "Engine", "DMA traffic", "traffic", "accent", { dma_traffic: "on" }],
      [25, "Engine", "DMA read", "read", "accent", { dma_read: "in work" }],
      [26, "Engine", "DMA write", "write", "accent", { dma_write: "in work" }],
      [27, "Engine", "DMA draining", "drain", "open", { dma_draining: "draining" }],
      [28, "Engine", "stalled streams", "stalls", "open", { stall_cq: "CQ", stall_cc: "CC", stall_rq: "RQ", stall_rc: "RC" }],
      [29, "Engine", "no credit for", "credits", "open",
        { no_credit_p: "posted", no_credit_np: "non-posted", no_credit_cpl: "completions" }],
      [30, "Engine", "soft core", "core", "fail", { core_trap: "trapped", core_hung: "hung" }],
      [31, "Engine", "general inputs", "inputs", "bell", { inputs: "" }],
    ];
    const level = this.kinds.LEVEL, fields = new Map(this.names.levels.map(([name, ...at]) => [name, at]));
    const mask = names => names.reduce((sum, n) => (sum | ((1 << fields.get(n)[1]) - 1) << fields.get(n)[0]) >>> 0, 0);
    const get = (word, name) => word >>> fields.get(name)[0] & (1 << fields.get(name)[1]) - 1;
    const text = (words, word) => {
      if ("inputs" in words) return get(word, "inputs").toString(2).padStart(4, "0");
      if (!("link_up" in words)) return Object.keys(words).filter(n => get(word, n)).map(n => words[n]).join(", ");
      const speed = [0, 2.5, 5, 8, 16, 32][get(word, "link_speed")] ?? "?";
      const about = `, ${speed} GT/s ×${1 << get(word, "link_width")}, LTSSM ${hex(get(word, "ltssm"), 2)}`;
      return (get(word, "link_up") ? "up" : "down") + about;
    };
    const rows = [];
    for (const [order, lane, label, short, colour, words] of GROUPS) {
      const names = Object.keys(words), bits = mask(names);
      // Of all LEVEL records those that change this row, and the first one, which says what it is at all.
      const found = (this.places[level] ?? []).filter((i, n) => !n || (this.data[i] ^ this.dw[0][i]) & bits);
      const row = this.row({ kinds: ["LEVEL"] }, found);
      const state = this.states({ order, lane, id: names[0], label, short, colour }, row,
        i => (this.dw[0][i] & bits) >>> 0, i => (this.data[i] & bits) >>> 0, word => text(words, word));
      if (state.initial || state.values.some(v => v)) rows.push({ ...state, kinds: [`LEVEL ${label}`] });
    }
    return rows;
  }

  /** Where events were lost: from the last kept event of each tap concerned to the LOSS record. */
  findGaps() {
    for (const i of this.places[this.kinds.LOSS] ?? []) {
      this.names.taps.forEach((kind, tap) => {
        if (!(this.aux[i] >> tap & 1)) return;
        for (const row of kind === "LEVEL" ? this.rows.filter(r => r.kinds[0].startsWith("LEVEL")) : [this.byKind.get(kind)]) {
          if (!row) continue;
          const k = place(row.times, this.time[i]);
          row.gaps.push({ from: k ? row.times[k - 1] : 0, to: this.time[i], lost: this.data[i] });
        }
      });
    }
  }

  /** Number of a row's events before time t, those of a run spread evenly over it. */
  before(row, t) {
    const k = place(row.times, t), sum = k ? row.running[k - 1] : 0;
    if (!k || k === row.times.length) return sum;
    const between = this.between[row.index[k]];
    return between ? sum + between * (t - row.times[k - 1]) / (row.times[k] - row.times[k - 1]) : sum;
  }

  // ---- console and pairs -------------------------------------------------------------------------------------

  consoleLines() {
    const lines = [], decoder = new TextDecoder();
    let bytes = [], first = -1, last = -1;
    const close = () => {
      const text = decoder.decode(Uint8Array.from(bytes)).replace(/[\r\n]+$/, "")
        .replace(/[\x00-\x08\x0b-\x1f\x7f]/g, c => "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0"));
      if (text.trim()) lines.push({ from: this.time[first], to: this.time[last], first, text });
      bytes = [];
    };
    for (const i of this.places[this.kinds.CONSOLE] ?? []) {
      const byte = this.aux[i] & 0xff;
      if (byte === 10) { if (bytes.length) close(); continue; }
      if (byte === 13 && !bytes.length) continue;
      if (!bytes.length) first = i;
      bytes.push(byte);
      last = i;
    }
    if (bytes.length) close();
    this.lineTimes = Float64Array.from(lines, line => line.from);
    return lines;
  }

  /**
   * For each request its (last) completion and the other way round, by requester and tag, each direction by itself;
   * else -1. Where requests are missing (lost, folded, merged) a tag may have been used again unseen: pairing starts anew.
   */
  pairs() {
    const partner = new Int32Array(this.count).fill(-1), { CQ, CC, RQ, RC, LOSS } = this.kinds;
    const open = { [CC]: new Map(), [RC]: new Map() }, answer = { [CQ]: CC, [RQ]: RC };
    for (let i = 0; i < this.count; i++) {
      const kind = this.kind[i];
      if (this.flags[i] & this.selftest) continue;
      if (kind === LOSS) for (const map of Object.values(open)) map.clear();
      else if (kind in answer) {
        if (this.between[i] && (this.merged.length || !this.posted(i))) open[answer[kind]].clear();
        if (!this.posted(i)) open[answer[kind]].set(this.transaction(i), i);
      } else if (kind in open) {
        const request = open[kind].get(this.transaction(i));
        if (request === undefined) continue;
        partner[i] = request;
        partner[request] = i;
        const due = this.dw[1][i] & 0xfff || 4096, error = this.dw[1][i] >>> 13 & 7;
        if (error || !(this.dw[0][i] >>> 30 & 1) || due <= this.length(i) * 4) open[kind].delete(this.transaction(i));
      }
    }
    return partner;
  }

  isCompletion(i) { return (this.dw[0][i] >>> 24 & 0x1f) === 0x0a; }
  posted(i) { return (this.dw[0][i] >>> 24 & 0x5f) === 0x40 || (this.dw[0][i] >>> 24 & 0x18) === 0x10; }
  transaction(i) { return this.dw[this.isCompletion(i) ? 2 : 1][i] >>> 8; }  // requester ID and tag
  length(i) { return (this.dw[0][i] & 0x3ff) || 1024; }
  address(i) {
    const wide = this.dw[0][i] >>> 29 & 1, low = (this.dw[wide ? 3 : 2][i] & ~3) >>> 0;
    return wide ? (BigInt(this.dw[2][i]) << 32n) + BigInt(low) : BigInt(low);
  }

  // ---- words -------------------------------------------------------------------------------------------------

  /** A duration in a fitting unit; four significant digits, or all when `exact`. */
  duration(cycles, { sign = false, exact = false } = {}) {
    const seconds = cycles / this.clock_hz, size = Math.abs(seconds);
    const [unit, scale] = UNITS.find(([, s]) => size >= s) ?? UNITS.at(-1);
    const value = seconds / scale, digits = Math.max(0, Math.ceil(Math.log10(scale * this.clock_hz) - 1e-9));
    const shown = exact ? value.toFixed(digits) : Number(value.toPrecision(4)).toString();
    return size ? (sign && cycles > 0 ? "+" : "") + `${shown} ${unit}`.replace("-", "−") : "0";
  }

  absolute(t) { return grouped(BigInt(this.base) + BigInt(Math.round(t))); }

  /** What a record stands for beside itself: folded by the analyser, each like it, or merged to keep the page small. */
  more(i) {
    const merged = this.merged.some(name => this.kinds[name] === this.kind[i]);
    return `${count(this.between[i])} more${merged ? "" : " like it"}`;
  }

  tlpName(i) {
    return this.names.tlps[this.dw[0][i] >>> 24] ?? `fmt/type ${hex(this.dw[0][i] >>> 24, 2)}`;
  }

  /** One record in a few words (for a label), longest first; the picture takes the first that fits. */
  labels(i) {
    const K = this.kinds, aux = this.aux[i], data = hex(this.data[i], 8);
    switch (this.kind[i]) {
      case K.CQ: case K.RQ: {
        const name = this.tlpName(i), bell = this.flags[i] & this.names.flags.DOORBELL ? "doorbell " : "";
        const where = (this.kind[i] === K.CQ ? `BAR${aux >> 13} ` : "") + hex(this.address(i));
        const more = this.posted(i) ? ` = ${data}` : ` tag ${this.transaction(i) & 0xff}`;
        return [`${bell}${name} ${where}${more} · ${this.length(i)} DW`, `${bell}${name} ${where}${more}`,
          bell ? `${bell}${data}` : `${name} ${where}`, bell || name];
      }
      case K.CC: case K.RC: {
        const status = this.names.statuses[this.dw[1][i] >>> 13 & 7], tag = `tag ${this.transaction(i) & 0xff}`;
        const name = this.tlpName(i), payload = this.dw[0][i] >>> 30 & 1 ? ` = ${data}` : "";
        return [`${name} ${status} ${tag}${payload}`, `${name} ${status} ${tag}`, status === "SC" ? name : status];
      }
      case K.CFG: return [`Command ${hex(this.data[i], 4)} → ${hex(aux, 4)}`, hex(aux, 4)];
      case K.RESET: return [(this.names.resets[aux] ?? `reset ${aux}`).toLowerCase().replaceAll("_", " ").replace("perst", "PERST#")];
      case K.MSIX: return [`vector ${aux}`, `${aux}`];
      case K.CONSOLE: return [JSON.stringify(String.fromCharCode(aux & 0xff)) +
        (this.flags[i] & this.names.flags.ERROR ? " without stop bit" : "")];
      case K.GATE: return [aux & 1 ? "closed" : "open"];
      case K.MARK: {
        const name = this.dw.flatMap(dw => [0, 8, 16, 24].map(s => dw[i] >>> s & 0xff)).filter(c => c);
        return [`mark ${this.data[i]} ${String.fromCharCode(...name)}`.trim(), `${this.data[i]}`];
      }
      case K.TRIGGER: return [`trigger: ${this.names.triggers[aux] ?? aux}` +
        (this.names.triggers[aux] === "SEQUENCE" ? ` step ${this.dw[0][i] + 1}` : ""), "trigger"];
      case K.LOSS: return [`${this.data[i]} events lost`, "lost"];
      case K.CONFIG: {
        const register = hex(aux & 0xfff, 3);
        return aux >> 12 ? [`write ${register} = ${data}`, `${register} = ${data}`, register]
          : [`read ${register}: ${data}`, register];
      }
      case K.LEVEL: return [`levels ${hex(this.dw[0][i], 8)} → ${data}`, data];
    }
    return [`kind ${this.kind[i]}`];
  }

  /** Everything about one record: lines of text. */
  describe(i, zero) {
    const K = this.kinds, kind = this.kind[i], lines = [];
    const name = Object.keys(K).find(key => K[key] === kind) ?? `kind ${kind}`;
    lines.push(`${name} ${this.labels(i)[0]}`);
    const id = v => `${hex(v >>> 8, 2).slice(2)}:${hex(v >>> 3 & 31, 2).slice(2)}.${v & 7}`;
    if ([K.CQ, K.RQ, K.CC, K.RC].includes(kind)) {
      const word = this.transaction(i);
      lines.push(`${this.length(i) * 4} bytes · requester ${id(word >>> 8)} · tag ${word & 0xff}` +
        (this.isCompletion(i) ? ` · completer ${id(this.dw[1][i] >>> 16)}`
          : ` · byte enables ${hex(this.dw[1][i] & 0xf).slice(2)}/${hex(this.dw[1][i] >>> 4 & 0xf).slice(2)}`));
      if (this.dw[0][i] >>> 30 & 1) lines.push(`first payload dword ${hex(this.data[i], 8)}`);
      const other = this.partner[i];
      if (other >= 0) {
        const later = Math.abs(this.time[other] - this.time[i]);
        lines.push(`${this.isCompletion(i) ? "answers" : "answered by"} record ${this.number[other]}, ` +
          `${count(later)} cycles ${this.isCompletion(i) ? "before" : "later"}`);
      }
    }
    if (this.between[i]) lines.push(`stands for ${this.more(i)} since the one before`);
    const t = this.time[i];
    lines.push(`${this.duration(t - zero, { sign: true, exact: true })} · cycle ${this.absolute(t)} · record ${this.number[i]}`);
    return lines;
  }

  /** What is under the pointer (see Timeline.under): lines of text, or null. */
  tell(found, zero) {
    const { row } = found;
    const when = t => `${this.duration(t - zero, { sign: true, exact: true })} · cycle ${this.absolute(t)}`;
    if (row.type === "console") {
      const t = found.k !== undefined ? row.times[found.k] : found.a !== undefined ? row.times[found.a] : found.t;
      const line = this.lines[place(this.lineTimes, t, true) - 1];
      if (line && line.to >= t)
        return [line.text, `first byte ${when(line.from)}`, `last byte ${this.duration(line.to - line.from)} later`];
    }
    if (found.k !== undefined) return this.describe(row.index[found.k], zero);
    if (found.a !== undefined) {
      const last = found.b - 1, events = row.running[last] - (found.a ? row.running[found.a - 1] : 0);
      const lines = [`${count(events)} ${row.label} in ${this.duration(row.times[last] - row.times[found.a])}`];
      if (["CQ", "RQ"].includes(row.id)) {
        let [least, most] = [this.address(row.index[found.a]), 0n];
        for (let k = found.a; k < Math.min(found.b, found.a + 20000); k++) {
          const address = this.address(row.index[k]);
          if (address < least) least = address;
          if (address > most) most = address;
        }
        lines.push(`addresses ${hex(least)} … ${hex(most)}`);
      }
      return [...lines, `from ${when(row.times[found.a])}`];
    }
    const k = place(row.times, found.t, true), gap = row.gaps.find(g => g.from <= found.t && found.t <= g.to);
    if (gap) return [`${count(gap.lost)} events were lost somewhere in here (all taps concerned together)`];
    const between = k < row.index.length ? this.between[row.index[k]] : 0;
    if (between && k) {
      const what = row.type === "tlp" && this.labels(row.index[k])[0];
      const how = this.more(row.index[k]).endsWith("more") ? "not on this page" : "folded";
      const [first, last] = [this.number[row.index[k - 1]], this.number[row.index[k]]];
      return [`${count(between)} events ${how}, between records ${first} and ${last}`,
        ...(what ? [`the last one: ${what}`] : []),
        `over ${this.duration(row.times[k] - row.times[k - 1])}` +
          (how === "folded" ? "; their single times are not recorded" : "")];
    }
    if (row.type === "state") {
      const text = row.text(k ? row.values[k - 1] : row.initial);
      return [`${row.label}: ${text || "none"}`, k ? `since ${when(row.times[k - 1])}` : "since before the capture"];
    }
    return null;
  }
}
