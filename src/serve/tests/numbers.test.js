/** The arithmetic of the charts. */

import assert from "node:assert/strict";
import test from "node:test";

import * as numbers from "../web/numbers.js";
import { isWithin } from "../web/within.js";

test("few numbers of an axis lie side by side, many on a line, wide ones by their logarithms", () => {
  const words = numbers.dimension("depth", [3, 1, 2, null, 10], true);
  assert.deepEqual([words.kind, words.words], ["words", [1, 2, 3, 10]]);
  assert.equal(numbers.place(words, 10), 3);
  assert.equal(numbers.place(words, 7), null);
  const line = numbers.dimension("accuracy", [0.5, 0.75, NaN, null]);
  assert.deepEqual([line.kind, line.low, line.high], ["line", 0.5, 0.75]);
  assert.equal(numbers.dimension("lr", [1e-5, 1]).kind, "log");
  assert.equal(numbers.dimension("name", ["b", "a", 1]).kind, "words");
  const same = numbers.dimension("loss", [2, 2]);
  assert.ok(same.low < 2 && same.high > 2 && same.only === 2);
  for (const of of [line, numbers.dimension("lr", [1e-5, 1]), words])
    for (const part of [0, 0.25, 1]) assert.ok(Math.abs(numbers.part(of, numbers.unpart(of, part)) - part) < 1e-9);
});

test("a brush is moved by keys until it holds everything", () => {
  const words = numbers.dimension("depth", [1, 2, 3], true);
  const one = numbers.nudged(words, null, "low", 1);
  assert.deepEqual(one, [0.5, 2.5]);
  assert.deepEqual(numbers.nudged(words, one, "high", -1), [0.5, 1.5]);
  assert.deepEqual(numbers.nudged(words, [0.5, 1.5], "low", 1), [0.5, 1.5], "a word at least");
  assert.equal(numbers.nudged(words, one, "low", -1), null);
  assert.equal(numbers.nudged(words, null, "high", 1), null);
  const line = numbers.dimension("accuracy", [1 / 3, 2 / 3]);
  const upper = numbers.nudged(line, null, "low", 1);
  assert.ok(Math.abs(upper[0] - 0.35) < 1e-6 && upper[1] === 2 / 3, "the greatest is inside");
  const log = numbers.dimension("lr", [1e-4, 1]);
  assert.ok(Math.abs(numbers.nudged(log, [1e-2, 1], "low", -1)[0] - 10 ** -2.2) < 1e-6);
});

test("a brush keeps what lies within, and nothing without a value", () => {
  const dimensions = new Map([["depth", numbers.dimension("depth", [1, 2, 3], true)], ["loss", numbers.dimension("loss", [0, 9])]]);
  const within = (row, ranges) => isWithin(row, new Map(ranges), dimensions);
  assert.equal(within({ depth: 2, loss: 1 }, [["depth", [0.5, 1.5]]]), true);
  assert.equal(within({ depth: 3, loss: 1 }, [["depth", [0.5, 1.5]]]), false);
  assert.equal(within({ depth: 2, loss: 5 }, [["depth", [0.5, 1.5]], ["loss", [0, 4]]]), false);
  assert.equal(within({ depth: 2, loss: null }, [["loss", [0, 4]]]), false);
  assert.equal(within({ depth: 2, loss: null }, []), true);
});

test("curves on common steps keep gaps apart from points that are not there", () => {
  const data = numbers.aligned([{ steps: [0, 2], values: [1, NaN] }, { steps: [1, 2], values: [5, 6] }]);
  assert.deepEqual(data, [[0, 1, 2], [1, undefined, null], [undefined, 5, 6]]);
});

test("mean and sample deviation over the curves that have a step", () => {
  const band = numbers.meanAndBand([{ steps: [0, 1], values: [1, 4] }, { steps: [0], values: [3] }, { steps: [0], values: [null] }]);
  assert.deepEqual([band.steps, band.mean, band.count], [[0, 1], [2, 4], [2, 1]]);
  assert.ok(Math.abs(band.high[0] - (2 + Math.SQRT2)) < 1e-12);
  assert.equal(band.high[1], 4);
});

test("a heat map has the mean of each pair", () => {
  const rows = [{ a: 1, b: "x", m: 1 }, { a: 1, b: "x", m: 3 }, { a: 2, b: "y", m: 5 }, { a: 2, b: "x", m: null }, { a: null, b: "x", m: 9 }];
  const { xs, ys, cells, low, high } = numbers.heat(rows, "a", "b", "m");
  assert.deepEqual([xs, ys, low, high], [[1, 2], ["x", "y"], 2, 5]);
  assert.deepEqual(cells, [[{ mean: 2, count: 2 }, null], [null, { mean: 5, count: 1 }]]);
});

test("new points stand behind those that stay", () => {
  const curve = { steps: [0, 1, 2], values: [0, 1, 2] };
  assert.deepEqual(numbers.extended(curve, 2, { steps: [3], values: [3] }).steps, [0, 1, 2, 3]);
  assert.deepEqual(numbers.extended(curve, 1, { steps: [2, 3], values: [9, 3] }), { steps: [0, 1, 2, 3], values: [0, 1, 9, 3] });
  assert.deepEqual(numbers.extended(curve, null, { steps: [0], values: [7] }), { steps: [0], values: [7] });
});

test("ticks are round", () => {
  assert.deepEqual(numbers.ticks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(numbers.ticks(0.78, 0.8, 4), [0.78, 0.785, 0.79, 0.795, 0.8]);
  assert.deepEqual(numbers.ticks(1, 1), [1]);
});
