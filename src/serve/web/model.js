// @ts-check
/** The runs of an experiment as the pages know them: rows from what the server sends, and which of them a view shows. Pure. */

import { dimension } from "./numbers.js";
import { isWithin } from "./within.js";
import { compile } from "./filter.js";

/**
 * A row from the array that the server sends.
 * @param {any[]} values
 * @param {any} info what the server says of the experiment
 * @param {number} place of the run in its experiment
 */
export function row(values, info, place) {
  /** @type {Record<string, any>} */
  const made = { place };
  info.fields.forEach((/** @type {string} */ field, /** @type {number} */ at) => (made[field] = values[at]));
  made.validation_accuracy_low = made.low;
  made.validation_accuracy_high = made.high;
  made.seconds = made.finished !== null && made.started !== null ? made.finished - made.started : null;
  info.metrics.forEach((/** @type {any} */ metric, /** @type {number} */ at) => (made[metric.name] = values[info.fields.indexOf("metrics")][at]));
  info.axis_columns.forEach((/** @type {string} */ column, /** @type {number} */ at) => (made[column] = values[info.fields.indexOf("axes")][at]));
  made.tag_list = made.tags;
  made.tags = made.tags.join(",");
  return made;
}

/**
 * What a filter may name.
 * @param {any} info
 * @returns {string[]}
 */
export function columns(info) {
  const fixed = ["run", "state", "rank", "seed", "step", "validation_accuracy_low", "validation_accuracy_high", "best_epoch", "best_value",
    "mcnemar_p", "against_best", "attempts", "started", "finished", "seconds", "slot", "failure", "reason", "problem", "tags", "note", "archived"];
  return [...new Set([...info.axis_columns, ...info.metrics.map((/** @type {any} */ metric) => metric.name), ...fixed])];
}

/**
 * The dimensions of the parallel coordinates.
 * @param {any} info
 * @param {any[]} rows
 */
export function dimensions(info, rows) {
  const seeds = new Set(rows.map((one) => one.seed)).size > 1 ? [{ name: "seed", discrete: true }] : [];
  return [
    ...info.axis_columns.map((/** @type {string} */ name) => ({ name, discrete: true })),
    ...seeds,
    ...info.metrics.slice(0, 5).map((/** @type {any} */ metric) => ({ name: metric.name, discrete: false })),
  ];
}

/**
 * The rows that search and filter let pass, and a test of whether one is within the brushes too.
 * @param {any[]} rows
 * @param {any} info
 * @param {{search: string, filter: string, ranges: Map<string, [number, number]>, archived: boolean}} view
 */
export function chosen(rows, info, { search, filter, ranges, archived }) {
  const test = compile(filter, columns(info));
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = rows.filter((one) => {
    if (one.archived && !archived) return false;
    const text = `${one.run} ${one.state} ${one.tags} ${one.note ?? ""} ${one.reason ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word)) && test(one);
  });
  const known = new Map(dimensions(info, found).map(({ name, discrete }) => [name, dimension(name, found.map((one) => one[name]), discrete)]));
  return { found, passes: (/** @type {any} */ one) => isWithin(one, ranges, known) };
}

/**
 * Rows by a column, those without a value last.
 * @param {any[]} rows
 * @param {string} column
 * @param {boolean} descending
 */
export function sortedBy(rows, column, descending) {
  const turn = descending ? -1 : 1;
  const nothing = (/** @type {any} */ value) => value === null || value === undefined || Number.isNaN(value);
  return [...rows].sort((a, b) => {
    const [left, right] = [a[column], b[column]];
    if (nothing(left) || nothing(right)) return Number(nothing(left)) - Number(nothing(right)) || a.place - b.place;
    if (typeof left === "number" && typeof right === "number") return turn * (left - right) || a.place - b.place;
    return turn * String(left).localeCompare(String(right), undefined, { numeric: true }) || a.place - b.place;
  });
}
