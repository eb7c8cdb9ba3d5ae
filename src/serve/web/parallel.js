// @ts-check
/** Parallel coordinates over axes and metrics on a canvas: a line a run, and a brush on each dimension that filters. */

import { clean, h } from "./dom.js";
import { number, shown } from "./format.js";
import { dimension, nudged, part, place, ticks, unpart } from "./numbers.js";
import { styled } from "./charts.js";

const [TOP, BOTTOM, SIDE] = [46, 14, 48];
const HEIGHT = 300;
/** Between a press and a brush, pixels. */
const LEAST = 4;

/**
 * @param {HTMLElement} home
 * @param {(name: string, range: [number, number] | null) => void} onBrush
 */
export function parallel(home, onBrush) {
  const canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { class: "parallel", role: "application", tabindex: "0", "aria-roledescription": "parallel coordinates" }));
  const wide = h("div", { class: "wide" }, canvas);
  const list = h("div", { class: "brushes" });
  const said = h("p", { class: "quiet", role: "status" });
  home.replaceChildren(wide, said, list);
  /** @type {import("./numbers.js").Dimension[]} */
  let dimensions = [];
  /** @type {any[]} */
  let rows = [];
  /** @type {Map<string, [number, number]>} */
  let ranges = new Map();
  /** @type {(row: any) => string} */
  let colour = () => "#888";
  /** @type {(row: any) => boolean} */
  let passes = () => true;
  /** @type {(row: any) => boolean} What is drawn above the others. */
  let isLoud = () => false;
  /** @type {number | null} */
  let hovered = null;
  /** @type {{name: string, from: number, to: number} | null} */
  let drag = null;
  /** The dimension that the keyboard is at; none without the focus. */
  let current = -1;

  const width = () => Math.max(wide.clientWidth, dimensions.length * 84, 260);
  const x = (/** @type {number} */ at) => SIDE + (dimensions.length < 2 ? 0 : (at * (width() - 2 * SIDE)) / (dimensions.length - 1));
  const y = (/** @type {number} */ at) => TOP + (1 - at) * (HEIGHT - TOP - BOTTOM);
  /** @type {HTMLCanvasElement | null} The lines of all runs, which stay while a mouse moves over them. */
  let lines = null;
  const anew = () => {
    lines = null;
    draw();
  };
  new ResizeObserver(anew).observe(wide);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);

  /**
   * @param {number} w
   * @param {number} ratio
   */
  function painted(w, ratio) {
    const layer = /** @type {HTMLCanvasElement} */ (h("canvas"));
    layer.width = w * ratio;
    layer.height = HEIGHT * ratio;
    const context = /** @type {CanvasRenderingContext2D} */ (layer.getContext("2d"));
    context.scale(ratio, ratio);
    const faint = styled("--faint");
    const many = rows.length > 400;
    context.lineWidth = 1;
    context.globalAlpha = many ? 0.25 : 0.5;
    for (const row of rows) if (!passes(row)) line(context, row, faint);
    context.globalAlpha = many ? 0.35 : 0.75;
    context.lineWidth = many ? 1 : 1.4;
    const inside = rows.filter(passes);
    for (const row of inside) if (!isLoud(row)) line(context, row, colour(row));
    context.globalAlpha = 0.85;
    context.lineWidth = 1.6;
    for (const row of inside) if (isLoud(row)) line(context, row, colour(row));
    return layer;
  }

  function draw() {
    const ratio = devicePixelRatio || 1;
    const w = width();
    canvas.width = w * ratio;
    canvas.height = HEIGHT * ratio;
    canvas.style.width = `${w}px`;
    canvas.style.height = `${HEIGHT}px`;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    lines ??= painted(w, ratio);
    context.drawImage(lines, 0, 0);
    context.scale(ratio, ratio);
    const [ink, soft, rule, paper] = ["--ink", "--ink-soft", "--rule", "--paper"].map(styled);
    const over = rows.find((row) => row.key === hovered);
    if (over) {
      context.lineWidth = 3;
      line(context, over, colour(over));
    }
    context.font = "11px system-ui, sans-serif";
    dimensions.forEach((of, place) => {
      const at = x(place);
      context.strokeStyle = rule;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(at, y(0));
      context.lineTo(at, y(1));
      context.stroke();
      context.fillStyle = ink;
      context.textAlign = "center";
      context.font = place === current ? "bold 11px system-ui, sans-serif" : "11px system-ui, sans-serif";
      const name = short(of.name, 24);
      const half = context.measureText(name).width / 2 + 2;
      // Side by side long names would run into each other; the outer ones stay inside.
      context.fillText(name, Math.min(Math.max(at, half), w - half), place % 2 === 0 ? 12 : 27);
      context.font = "11px system-ui, sans-serif";
      context.textAlign = "left";
      context.fillStyle = soft;
      for (const [value, text] of marks(of)) {
        context.fillRect(at - 3, y(part(of, value)) - 0.5, 6, 1);
        context.strokeStyle = paper;
        context.lineWidth = 3;
        context.strokeText(short(text, 10), at + 5, y(part(of, value)) + 4);
        context.fillText(short(text, 10), at + 5, y(part(of, value)) + 4);
      }
      const range = drag?.name === of.name ? [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)] : ranges.get(of.name);
      if (place === current) {
        context.strokeStyle = styled("--accent");
        context.lineWidth = 2;
        context.strokeRect(at - 12, TOP - 12, 24, HEIGHT - TOP - BOTTOM + 18);
      }
      if (range) {
        context.lineWidth = 1;
        const [low, high] = range.map((end) => y(Math.min(Math.max(part(of, end), 0), 1)));
        context.globalAlpha = 0.25;
        context.fillStyle = styled("--accent");
        context.fillRect(at - 9, high, 18, low - high);
        context.globalAlpha = 1;
        context.strokeStyle = styled("--accent");
        context.strokeRect(at - 9, high, 18, low - high);
      }
    });
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {any} row
   * @param {string} stroke
   */
  function line(context, row, stroke) {
    context.strokeStyle = stroke;
    context.beginPath();
    let begun = false;
    dimensions.forEach((of, at) => {
      const value = place(of, row[of.name]);
      if (value === null) return;
      const [px, py] = [x(at), y(part(of, value))];
      if (begun) context.lineTo(px, py);
      else context.moveTo(px, py);
      begun = true;
    });
    context.stroke();
  }

  /** @param {PointerEvent} event */
  function under(event) {
    const box = canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    /** @type {{of: import("./numbers.js").Dimension, far: number} | null} */
    let nearest = null;
    for (const [at, of] of dimensions.entries()) {
      const far = Math.abs(x(at) - px);
      if (far < 22 && (nearest === null || far < nearest.far)) nearest = { of, far };
    }
    const at = 1 - (py - TOP) / (HEIGHT - TOP - BOTTOM);
    return nearest && { of: nearest.of, value: unpart(nearest.of, Math.min(Math.max(at, 0), 1)), py };
  }

  let begun = 0;
  canvas.addEventListener("pointerdown", (event) => {
    const hit = under(event);
    if (!hit) return;
    canvas.setPointerCapture(event.pointerId);
    begun = hit.py;
    drag = { name: hit.of.name, from: hit.value, to: hit.value };
  });
  canvas.addEventListener("pointermove", (event) => {
    canvas.classList.toggle("over", Boolean(under(event)));
    if (!drag) return;
    const of = dimensions.find((known) => known.name === drag?.name);
    if (!of) return;
    const box = canvas.getBoundingClientRect();
    const at = 1 - (event.clientY - box.top - TOP) / (HEIGHT - TOP - BOTTOM);
    drag.to = unpart(of, Math.min(Math.max(at, 0), 1));
    draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const box = canvas.getBoundingClientRect();
    const { name, from, to } = drag;
    drag = null;
    const moved = Math.abs(event.clientY - box.top - begun) >= LEAST;
    onBrush(name, moved ? [rounded(Math.min(from, to)), rounded(Math.max(from, to))] : null);
  });

  /** What the keyboard is at, for ears too. */
  function say() {
    const of = dimensions[current];
    const range = of && ranges.get(of.name);
    said.textContent = !of ? "" : clean(`${of.name}: ${range ? words(of, range) : "everything"}. ${rows.filter(passes).length} of ${rows.length} runs pass. Up and down move the lower end, with Shift the upper one; Delete takes the filter away.`);
  }

  canvas.addEventListener("focus", () => {
    if (current < 0 && canvas.matches(":focus-visible")) current = 0;
    draw();
    say();
  });
  canvas.addEventListener("blur", () => {
    current = -1;
    draw();
    say();
  });
  canvas.addEventListener("keydown", (event) => {
    const of = dimensions[current];
    const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const move = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (turn) {
      current = Math.min(Math.max(current + turn, 0), dimensions.length - 1);
      wide.scrollLeft = Math.max(x(current) - wide.clientWidth / 2, 0);
      draw();
    } else if (move && of) {
      onBrush(of.name, nudged(of, ranges.get(of.name) ?? null, event.shiftKey ? "high" : "low", /** @type {1 | -1} */ (move)));
    } else if (of && ["Delete", "Backspace", "Escape"].includes(event.key)) {
      onBrush(of.name, null);
    } else return;
    event.preventDefault();
    say();
  });

  return {
    /** @param {{dimensions: {name: string, discrete: boolean}[], rows: any[], ranges: Map<string, [number, number]>, passes: (row: any) => boolean, isLoud: (row: any) => boolean, colour: (row: any) => string}} now */
    update(now) {
      ({ rows, ranges, passes, isLoud, colour } = now);
      dimensions = now.dimensions.map(({ name, discrete }) => dimension(name, rows.map((row) => row[name]), discrete));
      canvas.setAttribute("aria-label", clean(`Parallel coordinates of ${rows.length} runs over ${dimensions.map((of) => of.name).join(", ")}; ${rows.filter(passes).length} pass. Drag along a dimension to filter by it, or use the arrow keys.`));
      list.replaceChildren(
        ...[...ranges].map(([name, range]) => {
          const of = dimensions.find((known) => known.name === name);
          return h("button", { type: "button", class: "chip", title: "take this filter away", onclick: () => onBrush(name, null) }, `${name} ${of ? words(of, range) : ""} ✕`);
        }),
      );
      anew();
    },
    /** @param {number | null} key */
    hover(key) {
      hovered = key;
      draw();
    },
  };
}

/** @param {number} value */
const rounded = (value) => Number(value.toPrecision(6));

/**
 * @param {import("./numbers.js").Dimension} of
 * @returns {[number, string][]}
 */
function marks(of) {
  if (of.kind === "words") {
    const stride = Math.ceil(of.words.length / 12);
    return of.words.map((word, at) => /** @type {[number, string]} */ ([at, shown(word)])).filter((_, at) => at % stride === 0);
  }
  if (of.kind === "log") {
    const [low, high] = [Math.ceil(Math.log10(of.low) - 1e-9), Math.floor(Math.log10(of.high) + 1e-9)];
    return Array.from({ length: Math.max(high - low + 1, 0) }, (_, at) => [10 ** (low + at), `1e${low + at}`]);
  }
  if (of.only !== undefined) return [[of.only, number(of.only)]];
  return ticks(of.low, of.high, 5).map((tick) => [tick, String(tick)]);
}

/**
 * @param {import("./numbers.js").Dimension} of
 * @param {[number, number]} range
 */
function words(of, [low, high]) {
  if (of.kind !== "words") return `${number(low)} to ${number(high)}`;
  const inside = of.words.filter((_, at) => at >= low && at <= high);
  return inside.length ? inside.map(shown).join(", ") : "none";
}

/**
 * @param {string} text
 * @param {number} most
 */
function short(text, most) {
  text = clean(text);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
