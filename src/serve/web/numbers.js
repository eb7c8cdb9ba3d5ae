// @ts-check
/** The arithmetic of the charts: scales, means over runs, cells of a heat map, curves on common steps. Pure. */

/** @typedef {{steps: number[], values: (number | null)[]}} Curve */
/** @typedef {{name: string, kind: "words" | "line" | "log", words: any[], low: number, high: number, only?: number}} Dimension */

/** More different values than that are a line, not words. */
const MOST_WORDS = 24;

/**
 * How values lie on an axis of the parallel coordinates: words side by side, numbers on a line, or by their logarithms.
 * @param {string} name
 * @param {any[]} values
 * @param {boolean} [discrete] whether few numbers are taken for words
 * @returns {Dimension}
 */
export function dimension(name, values, discrete = false) {
  const known = values.filter((value) => value !== null && value !== undefined && !Number.isNaN(value));
  const numbers = known.filter((value) => typeof value === "number");
  const words = sorted([...new Set(known.map((value) => (typeof value === "object" ? JSON.stringify(value) : value)))]);
  if (numbers.length < known.length || known.length === 0 || (discrete && words.length <= MOST_WORDS)) {
    return { name, kind: "words", words, low: -0.5, high: Math.max(words.length - 0.5, 0.5) };
  }
  let [low, high] = extent(/** @type {number[]} */ (numbers));
  if (low > 0 && high / low > 100) return { name, kind: "log", words: [], low, high };
  if (low === high) return { name, kind: "line", words: [], low: low - 0.5, high: high + 0.5, only: low };
  return { name, kind: "line", words: [], low, high };
}

/**
 * Where a value lies in the terms of a dimension: the place of a word, a number itself; null for none.
 * @param {Dimension} dimension
 * @param {any} value
 * @returns {number | null}
 */
export function place(dimension, value) {
  if (value === null || value === undefined || Number.isNaN(value)) return null;
  if (dimension.kind !== "words") return typeof value === "number" ? value : null;
  const at = dimension.words.indexOf(typeof value === "object" ? JSON.stringify(value) : value);
  return at < 0 ? null : at;
}

/**
 * The same from 0 (low) to 1 (high).
 * @param {Dimension} dimension
 * @param {number} at
 */
export function part({ kind, low, high }, at) {
  if (kind === "log") return (Math.log(at) - Math.log(low)) / (Math.log(high) - Math.log(low));
  return (at - low) / (high - low);
}

/**
 * What lies at a part of a dimension.
 * @param {Dimension} dimension
 * @param {number} part
 */
export function unpart({ kind, low, high }, part) {
  if (kind === "log") return Math.exp(Math.log(low) + part * (Math.log(high) - Math.log(low)));
  return low + part * (high - low);
}

/** So many steps of the keyboard lead from one end of a dimension of numbers to the other. */
const NUDGES = 20;

/**
 * A range with one of its ends moved a step; null once it holds everything.
 * @param {Dimension} dimension
 * @param {[number, number] | null} range null for everything
 * @param {"low" | "high"} end
 * @param {1 | -1} direction
 * @returns {[number, number] | null}
 */
export function nudged(dimension, range, end, direction) {
  const steps = dimension.kind === "words" ? Math.max(dimension.words.length, 1) : NUDGES;
  const at = (/** @type {number} */ value) => Math.min(Math.max(Math.round(part(dimension, value) * steps), 0), steps);
  let [low, high] = range ? range.map(at) : [0, steps];
  if (end === "low") low = Math.min(Math.max(low + direction, 0), high - 1);
  else high = Math.max(Math.min(high + direction, steps), low + 1);
  if (low === 0 && high === steps) return null;
  // The ends themselves, since what is rounded may leave out the least or the greatest.
  const value = (/** @type {number} */ step) => (step === 0 ? dimension.low : step === steps ? dimension.high : Number(unpart(dimension, step / steps).toPrecision(6)));
  return [value(low), value(high)];
}

/**
 * Numbers by size, then words.
 * @param {any[]} values
 */
export function sorted(values) {
  return [...values].sort((a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "number") return -1;
    if (typeof b === "number") return 1;
    return String(a).localeCompare(String(b));
  });
}

/**
 * @param {(number | null | undefined)[]} values
 * @returns {[number, number]}
 */
export function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value === null || value === undefined || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

/**
 * Curves on common steps, as the charts take them: `undefined` where a curve has no point (the line goes on), `null` where the
 * point is no number (it does not).
 * @param {Curve[]} curves
 * @returns {[number[], ...(number | null | undefined)[][]]}
 */
export function aligned(curves) {
  const steps = [...new Set(curves.flatMap((curve) => curve.steps))].sort((a, b) => a - b);
  const at = new Map(steps.map((step, place) => [step, place]));
  const columns = curves.map((curve) => {
    /** @type {(number | null | undefined)[]} */
    const column = new Array(steps.length).fill(undefined);
    curve.steps.forEach((step, place) => {
      const value = curve.values[place];
      column[/** @type {number} */ (at.get(step))] = value === null || Number.isNaN(value) ? null : value;
    });
    return column;
  });
  return [steps, ...columns];
}

/**
 * Mean and sample deviation over curves at each step that all of those that have come so far have.
 * @param {Curve[]} curves
 * @returns {{steps: number[], mean: number[], low: number[], high: number[], count: number[]}}
 */
export function meanAndBand(curves) {
  /** @type {Map<number, number[]>} */
  const by = new Map();
  for (const { steps, values } of curves) {
    steps.forEach((step, place) => {
      const value = values[place];
      if (value === null || value === undefined || Number.isNaN(value)) return;
      const known = by.get(step);
      if (known) known.push(value);
      else by.set(step, [value]);
    });
  }
  const steps = [...by.keys()].sort((a, b) => a - b);
  /** @type {{steps: number[], mean: number[], low: number[], high: number[], count: number[]}} */
  const band = { steps, mean: [], low: [], high: [], count: [] };
  for (const step of steps) {
    const values = /** @type {number[]} */ (by.get(step));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    const deviation = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0;
    band.mean.push(mean);
    band.low.push(mean - deviation);
    band.high.push(mean + deviation);
    band.count.push(values.length);
  }
  return band;
}

/**
 * The mean of a metric over the runs of each pair of values of two axes.
 * @param {Record<string, any>[]} rows
 * @param {string} x
 * @param {string} y
 * @param {string} metric
 * @returns {{xs: any[], ys: any[], cells: ({mean: number, count: number} | null)[][], low: number, high: number}}
 */
export function heat(rows, x, y, metric) {
  const key = (/** @type {any} */ value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : value);
  const known = rows.filter((row) => row[x] !== null && row[x] !== undefined && row[y] !== null && row[y] !== undefined);
  const xs = sorted([...new Set(known.map((row) => key(row[x])))]);
  const ys = sorted([...new Set(known.map((row) => key(row[y])))]);
  /** @type {({sum: number, count: number} | null)[][]} */
  const sums = ys.map(() => xs.map(() => null));
  for (const row of known) {
    const value = row[metric];
    if (typeof value !== "number" || !Number.isFinite(value)) continue;
    const [column, line] = [xs.indexOf(key(row[x])), ys.indexOf(key(row[y]))];
    const cell = sums[line][column] ?? { sum: 0, count: 0 };
    sums[line][column] = { sum: cell.sum + value, count: cell.count + 1 };
  }
  const cells = sums.map((line) => line.map((cell) => cell && { mean: cell.sum / cell.count, count: cell.count }));
  const [low, high] = extent(cells.flat().map((cell) => cell?.mean ?? null));
  return { xs, ys, cells, low, high };
}

/**
 * Round numbers for the ticks of a line.
 * @param {number} low
 * @param {number} high
 * @param {number} most
 */
export function ticks(low, high, most = 5) {
  const rough = (high - low) / Math.max(most, 1);
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * (1 - 1e-9)) ?? 10 * power;
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) found.push(Number((at * step).toPrecision(12)));
  return found;
}

/**
 * Puts new points behind those of a curve that stay.
 * @param {Curve | undefined} curve
 * @param {number | null} after the last step that stays; null for none
 * @param {Curve} more
 * @returns {Curve}
 */
export function extended(curve, after, more) {
  if (!curve || after === null) return { steps: more.steps, values: more.values };
  let stay = curve.steps.length;
  while (stay > 0 && curve.steps[stay - 1] > after) stay -= 1;
  return { steps: [...curve.steps.slice(0, stay), ...more.steps], values: [...curve.values.slice(0, stay), ...more.values] };
}
