// @ts-check
/** Whether a row is within what is brushed. Pure. */

import { place } from "./numbers.js";

/**
 * Whether a row is within all ranges.
 * @param {any} row
 * @param {Map<string, [number, number]>} ranges
 * @param {Map<string, import("./numbers.js").Dimension>} dimensions
 */
export function isWithin(row, ranges, dimensions) {
  for (const [name, [low, high]] of ranges) {
    const of = dimensions.get(name);
    const at = of ? place(of, row[name]) : null;
    if (at === null || at < low || at > high) return false;
  }
  return true;
}
