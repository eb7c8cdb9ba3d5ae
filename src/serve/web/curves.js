// @ts-check
/** The curves of a metric over the runs of an experiment: the best and the running ones in colour, the others grey; or mean and
 * band over the runs of each value of an axis. */

import { fill, h } from "./dom.js";
import { chart, legend, styled } from "./charts.js";
import { PALETTE, ofPlace } from "./colours.js";
import { shown } from "./format.js";
import { aligned, meanAndBand, sorted } from "./numbers.js";

/** So many of the best runs are in colour. */
export const BEST = 8;
/** So many running ones besides. */
const RUNNING = 8;

/**
 * @param {HTMLElement} home
 * @param {(row: any) => void} onOpen
 * @param {(range: [number, number] | null) => void} onZoom
 */
export function curves(home, onOpen, onZoom) {
  const plot = h("div");
  const below = h("div");
  home.replaceChildren(plot, below);
  const drawn = chart(plot);
  return {
    /** @param {{rows: any[], curves: Map<number, import("./numbers.js").Curve>, group: string, metric: string}} now */
    update({ rows, curves, group, metric }) {
      const known = rows.filter((row) => curves.get(row.key)?.steps.length);
      if (known.length === 0) {
        fill(below, h("p", { class: "quiet" }, `No run that is shown has written ${metric} yet.`));
        drawn.update({ lines: [{ label: metric, colour: styled("--accent") }], data: [[0], [null]], label: `no curves of ${metric}`, y: metric });
        return;
      }
      if (group) grouped(known, curves, group, metric);
      else single(known, curves, metric);
    },
    destroy: drawn.destroy,
  };

  /**
   * @param {any[]} rows
   * @param {Map<number, any>} curves
   * @param {string} metric
   */
  function single(rows, curves, metric) {
    const running = rows.filter((row) => row.state === "running").slice(0, RUNNING);
    const best = rows.filter((row) => row.rank !== null).sort((a, b) => a.rank - b.rank).slice(0, BEST);
    const coloured = [...new Set([...best, ...running])];
    const grey = rows.filter((row) => !coloured.includes(row));
    const faint = styled("--faint");
    // What is drawn last lies on top.
    const order = [...grey, ...coloured.reverse()];
    const lines = order.map((row, place) => {
      if (place < grey.length) return { label: row.run, colour: faint, width: 1, faint: true, points: false };
      const { colour, dash } = ofPlace(row.place);
      return { label: row.run, colour, dash, width: row.state === "running" ? 2.4 : 1.8, points: false };
    });
    const data = aligned(order.map((row) => curves.get(row.key)));
    drawn.update({ lines, data, y: metric, onZoom, label: `${metric} by step of ${rows.length} runs, ${coloured.length} of them in colour` });
    const byName = new Map(order.map((row) => [row.run, row]));
    const words = lines.slice(grey.length).reverse();
    fill(
      below,
      legend(words, (line) => () => onOpen(byName.get(line.label))),
      grey.length > 0 && h("p", { class: "quiet" }, `Grey: ${grey.length} other runs.`),
    );
  }

  /**
   * @param {any[]} rows
   * @param {Map<number, any>} curves
   * @param {string} group
   * @param {string} metric
   */
  function grouped(rows, curves, group, metric) {
    const values = sorted([...new Set(rows.map((row) => shown(row[group])))].map((text) => (Number.isNaN(Number(text)) ? text : Number(text)))).map(String);
    const bands = values.map((value) => meanAndBand(rows.filter((row) => shown(row[group]) === value).map((row) => curves.get(row.key))));
    /** @type {any[]} */
    const lines = [];
    /** @type {any[]} */
    const parts = [];
    /** @type {any[]} */
    const fills = [];
    bands.forEach(({ steps, mean, low, high, count }, place) => {
      const colour = PALETTE[place % PALETTE.length];
      const runs = Math.max(...count);
      parts.push({ steps, values: mean }, { steps, values: high }, { steps, values: low });
      lines.push({ label: `${group} ${values[place]} (${runs})`, colour, width: 2, points: false });
      for (const end of ["+", "−"]) lines.push({ label: `${group} ${values[place]} ${end} deviation`, colour: `${colour}00`, width: 0, faint: true, points: false });
      const first = place * 3 + 1;
      fills.push({ series: [first + 1, first + 2], fill: `${colour}30` });
    });
    drawn.update({ lines, data: aligned(parts), bands: fills, y: metric, onZoom, label: `mean of ${metric} by step for each value of ${group}` });
    fill(below, legend(lines.filter((line) => !line.faint)), h("p", { class: "quiet" }, "Lines: means over the runs of each value (their number in parentheses); bands: one sample deviation."));
  }
}
