/** Names and logs of others, addresses, and the rows that a view shows. */

import assert from "node:assert/strict";
import test from "node:test";

import { read, readRanges, write, writeRanges } from "../web/address.js";
import { PALETTE, heatColour, ofPlace } from "../web/colours.js";
import { clean, plainLog } from "../web/dom.js";
import { duration, number, shown, size } from "../web/format.js";
import * as model from "../web/model.js";

test("what turns or commands is replaced", () => {
  assert.equal(clean("a\u202eb\u0007c\u2066d\u200f"), "a\ufffdb\ufffdc\ufffdd\ufffd");
  assert.equal(clean("ok\n\ttext \u00e4 \u05d0"), "ok\n\ttext \u00e4 \u05d0");
  assert.equal(plainLog("\u001b[31mred\u001b[0m \u001b]0;title\u0007<script>"), "red <script>");
  assert.equal(plainLog("10%\r50%\r100%\nnext\r\nlast\r"), "100%\nnext\nlast");
});

test("an address says everything and comes back the same", () => {
  for (const place of [
    { page: "all" }, { page: "experiment", experiment: "a/b?c#d" }, { page: "run", experiment: "x y", run: "100%/\"<b>" },
    { page: "compare", experiment: "x", keys: [3, 1, 2] },
  ]) {
    const view = { filter: "lr < 0.1 and run like '%a&b%'", sort: "rank" };
    assert.deepEqual(read(write(place, view)), { place, view });
  }
  assert.deepEqual(read("#/e/%E0%A4%A"), { place: { page: "experiment", experiment: "%E0%A4%A" }, view: {} });
  assert.deepEqual(read("").place, { page: "all" });
  const ranges = new Map([["a:b;c", [0, 1.5]], ["loss", [-2, 3e-7]]]);
  assert.deepEqual(readRanges(writeRanges(ranges)), ranges);
  assert.deepEqual(readRanges("x:a..b;:1..2;y"), new Map());
});

test("a run has one colour, and cells can be read", () => {
  assert.deepEqual(ofPlace(3), ofPlace(3));
  assert.notDeepEqual(ofPlace(0), ofPlace(PALETTE.length));
  assert.deepEqual([heatColour(0).text, heatColour(1).text], ["#fff", "#000"]);
});

test("numbers for people", () => {
  assert.deepEqual([number(null), number(NaN), number(0.951349), number(12), number(1e-7), number(-Infinity)], ["–", "–", "0.9513", "12", "1.00e-7", "−∞"]);
  assert.deepEqual([duration(3.21), duration(75), duration(3600), duration(200000), duration(null)], ["3.2 s", "75 s", "1 h 00 min", "2 d 7 h", "–"]);
  assert.deepEqual([shown(0.1), shown(1e-4), shown(1.0807018e-5), shown(64), shown(null), shown([1, "a"])], ["0.1", "1e-4", "1.0807e-5", "64", "–", '[1,"a"]']);
  assert.deepEqual([size(12), size(1500), size(null)], ["12 B", "1.5 kB", "–"]);
});

const info = { fields: ["key", "run", "state", "seed", "rank", "axes", "metrics", "step", "low", "high", "tags", "started", "finished", "note", "reason", "archived"], axis_columns: ["lr"], metrics: [{ name: "acc" }] };
const make = (key, lr, acc, more = {}) =>
  model.row([key, `lr-${lr}`, "completed", 0, acc === null ? null : key, [lr], [acc], 1, null, null, more.tags ?? [], 1, 3, null, null, more.archived ?? false], info, key);
const rows = [make(0, 0.1, 0.5), make(1, 0.01, 0.9, { tags: ["good", "new"] }), make(2, 0.001, null, { archived: true })];
const view = { search: "", filter: "", ranges: new Map(), archived: false };

test("a view shows what search, filter and brush let pass", () => {
  const keys = (more) => {
    const { found, passes } = model.chosen(rows, info, { ...view, ...more });
    return found.filter(passes).map((row) => row.key);
  };
  assert.deepEqual(keys({}), [0, 1]);
  assert.deepEqual(keys({ archived: true }), [0, 1, 2]);
  assert.deepEqual(keys({ search: "GOOD lr" }), [1]);
  assert.deepEqual(keys({ filter: "lr < 0.05 and seconds = 2 and tags like '%new%'" }), [1]);
  assert.deepEqual(keys({ ranges: new Map([["acc", [0.4, 0.6]]]) }), [0]);
  assert.deepEqual(keys({ ranges: new Map([["lr", [-0.4, 0.4]]]) }), [1]);
});

test("rows without a value are last, whichever way they are sorted", () => {
  const keys = (column, descending) => model.sortedBy(rows, column, descending).map((row) => row.key);
  assert.deepEqual(keys("acc", false), [0, 1, 2]);
  assert.deepEqual(keys("acc", true), [1, 0, 2]);
  assert.deepEqual(keys("lr", false), [2, 1, 0]);
});
