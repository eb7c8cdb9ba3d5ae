// @ts-check
/** Line charts on uPlot: colours of the page, a size that follows its place, zoom by dragging. */

import { clean, h } from "./dom.js";
import { number } from "./format.js";

/** @typedef {{label: string, colour: string, dash?: number[], width?: number, faint?: boolean, points?: boolean}} Line */
/** @typedef {{lines: Line[], data: any[], bands?: {series: [number, number], fill: string}[], x?: string, y?: string, height?: number, label: string, onZoom?: (range: [number, number] | null) => void, square?: boolean, xRange?: [number, number], yRange?: [number, number]}} Options */

/** Between two ticks of steps, of which there are no halves. */
const WHOLE = Array.from({ length: 15 }, (_, power) => [1, 2, 5].map((factor) => factor * 10 ** power)).flat();

/** @param {string} name */
export function styled(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * Draws lines into a place, and again whenever `update` is called.
 * @param {HTMLElement} place
 */
export function chart(place) {
  /** @type {any} */
  let plot = null;
  /** @type {Options | null} */
  let shown = null;
  let shape = "";
  const readout = h("div", { class: "readout", "aria-hidden": "true" });
  const canvas = h("div", { class: "plot", role: "img" });
  place.replaceChildren(canvas, readout);

  const width = () => Math.max(canvas.clientWidth, 200);
  const observer = new ResizeObserver(() => {
    if (plot && shown && plot.width !== width()) plot.setSize({ width: width(), height: shown.height ?? 260 });
  });
  observer.observe(canvas);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const redraw = () => {
    shape = "";
    if (shown) update(shown);
  };
  scheme.addEventListener("change", redraw);

  /** @param {Options} options */
  function update(options) {
    shown = options;
    canvas.setAttribute("aria-label", clean(options.label));
    const now = JSON.stringify([options.lines, options.bands, options.x, options.y, options.height]);
    if (plot && now === shape) {
      const { min, max } = plot.scales.x;
      const zoomed = plot.zoomed;
      plot.setData(options.data, !zoomed);
      if (zoomed) plot.setScale("x", { min, max });
      return;
    }
    shape = now;
    // What is in sight stays there when lines come and go.
    const sight = plot?.zoomed ? { ...plot.scales.x } : null;
    plot?.destroy();
    plot = make(options);
    if (!sight) return;
    plot.zoomed = true;
    plot.setScale("x", { min: sight.min, max: sight.max });
  }

  /** @param {Options} options */
  function make(options) {
    const [ink, rule] = [styled("--ink-soft"), styled("--rule")];
    const axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 }, font: "11px system-ui" };
    // @ts-ignore: a script of its own.
    const made = new uPlot(
      {
        width: width(),
        height: options.height ?? 260,
        legend: { show: false },
        cursor: { drag: { x: true, y: false }, focus: { prox: 16 }, points: { show: !options.square } },
        focus: { alpha: 0.35 },
        scales: {
          x: { time: false, ...(options.xRange ? { range: options.xRange } : {}) },
          y: options.yRange ? { range: options.yRange } : {},
        },
        axes: [
          { ...axis, label: options.x ?? "step", labelSize: 18, labelFont: "11px system-ui", ...(options.square ? {} : { incrs: WHOLE }) },
          { ...axis, size: 56, ...(options.y ? { label: options.y, labelSize: 18, labelFont: "11px system-ui" } : {}),
            values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map((tick) => (Math.abs(tick) < 1e-12 ? "0" : String(Number(tick.toPrecision(6))))) },
        ],
        series: [
          { label: options.x ?? "step" },
          ...options.lines.map((line) => ({
            label: line.label,
            stroke: line.colour,
            width: line.width ?? 1.5,
            dash: line.dash?.length ? line.dash : undefined,
            spanGaps: true,
            points: { show: line.points ?? undefined, size: 4 },
          })),
        ],
        bands: options.bands,
        hooks: {
          setCursor: [read],
          setSeries: [read],
          setSelect: [
            (/** @type {any} */ self) => {
              if (self.select.width < 4) return;
              self.zoomed = true;
              options.onZoom?.([self.posToVal(self.select.left, "x"), self.posToVal(self.select.left + self.select.width, "x")]);
            },
          ],
        },
      },
      options.data,
      canvas,
    );
    made.over.addEventListener("dblclick", () => {
      made.zoomed = false;
      options.onZoom?.(null);
    });
    return made;
  }

  /** @param {any} self */
  function read(self) {
    const { idx } = self.cursor;
    if (idx === null || idx === undefined || !shown) {
      readout.textContent = "";
      return;
    }
    const x = self.data[0][idx];
    /** @type {[string, number][]} */
    const near = [];
    shown.lines.forEach((line, place) => {
      const column = self.data[place + 1];
      let value = column[idx];
      for (let back = idx; (value === undefined || value === null) && back > idx - 8 && back >= 0; back -= 1) value = column[back];
      if (typeof value === "number" && !line.faint) near.push([line.label, value]);
    });
    const focused = self.series.findIndex((/** @type {any} */ series, /** @type {number} */ at) => at > 0 && series._focus);
    const line = focused > 0 ? shown.lines[focused - 1] : null;
    const value = line ? self.data[focused][idx] : null;
    const text = line && typeof value === "number" ? `${line.label}: ${number(value)}` : near.slice(0, 4).map(([label, at]) => `${label}: ${number(at)}`).join(" · ");
    readout.textContent = clean(`${shown.x ?? "step"} ${number(x)}   ${text}`);
  }

  return {
    update,
    destroy() {
      observer.disconnect();
      scheme.removeEventListener("change", redraw);
      plot?.destroy();
    },
  };
}

/**
 * The colour of a line with its dashes, as a background.
 * @param {Line} line
 */
function dashed({ colour, dash }) {
  let at = 0;
  const stops = (dash?.length ? dash : [1]).map((length, place) => `${place % 2 === 0 ? colour : "transparent"} ${at}px ${(at += length)}px`);
  return `repeating-linear-gradient(to right, ${stops.join(", ")})`;
}

/**
 * What the lines of a chart are, for eyes and screen readers.
 * @param {Line[]} lines
 * @param {(line: Line) => (() => void) | undefined} [open]
 */
export function legend(lines, open) {
  return h(
    "ul",
    { class: "legend" },
    lines.map((line) => {
      const go = open?.(line);
      const mark = h("span", { class: "mark", "aria-hidden": "true", style: { backgroundImage: dashed(line) } });
      return h("li", null, mark, go ? h("button", { type: "button", class: "link", onclick: go }, line.label) : line.label);
    }),
  );
}
