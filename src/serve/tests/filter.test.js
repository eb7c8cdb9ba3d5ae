/** The filter of the table against what SQLite would say. */

import assert from "node:assert/strict";
import test from "node:test";

import { FilterError, compile, matches } from "../web/filter.js";

const columns = ["lr", "depth", "run", "state", "validation_accuracy", "validation/auc", "note", "Tag"];
const row = { lr: 0.01, depth: 3, run: "lr-0.01-depth-3", state: "completed", validation_accuracy: 0.9, "validation/auc": 0.95, note: null, Tag: "it's" };
const passes = (text) => compile(text, columns)(row);

test("the words of SQL", () => {
  for (const yes of [
    "", "  ", "depth = 3 and validation_accuracy > .8", "depth == 3", "DEPTH = 3", "not depth = 4", "depth <> 4", "depth != 4",
    "depth in (1, 3)", "depth not in (1, 2)", "lr between 1e-3 and 0.1", "lr not between 1 and 2", "run like 'LR-%-depth-_'",
    "run not like '%seed%'", "note is null", "lr is not null", "\"validation/auc\" >= 0.95", "depth = 1 or depth = 3 and lr < 1",
    "(depth = 1 or depth = 3) and lr < 1", "depth * 2 + 1 = 7", "-depth = -3", "1 - lr / 2 > 0.99", "Tag = 'it''s'",
    "state in ('completed', 'failed')", "not (not depth = 3)", "not not depth = 3", "true", "depth = 3 AND NOT false",
  ]) assert.equal(passes(yes), true, yes);
  for (const no of [
    "depth = 4", "note = null", "note <> 1", "not note = 1", "note > 0 and depth = 3", "depth not in (1, null)", "note in (1)", "false", "0",
    "depth = '3'", "lr > 'a'", "run like 'lr'", "depth / 0 = 1", "not depth between 1 and 3", "null", "state",
  ]) assert.equal(passes(no), false, no);
});

test("what is nothing may still pass by the other side of an or", () => {
  assert.equal(passes("note = 1 or depth = 3"), true);
  assert.equal(passes("note = 1 and depth = 4 or lr < 1"), true);
});

test("mistakes are said with their place", () => {
  for (const [text, words, at] of [
    ["dept = 3", /there is no column "dept"; there are lr/, 0],
    ["depth = ", /a column or a value is expected before the end/, 8],
    ["depth = 3 and", /expected before the end/, 13],
    ["depth = 3 4", /"4" is not expected/, 10],
    ["(depth = 3", /"\)" is expected before the end/, 10],
    ["depth ; drop", /";" is not understood/, 6],
    ["depth not 3", /"between", "in" or "like"/, 10],
    ["lr = 'open", /"'" is not understood/, 5],
  ]) assert.throws(() => compile(text, columns), (error) => error instanceof FilterError && words.test(error.message) && error.at === at, text);
});

test("nothing is executed and nothing of JavaScript is in reach", () => {
  for (const text of ["constructor = 1", "__proto__ is null", "toString like '%'", "alert(1)", "run.length > 1", "`x`", "depth = 3 || true"])
    assert.throws(() => compile(text, columns), FilterError, text);
  assert.throws(() => compile("(".repeat(5000) + "1", columns), FilterError);
});

test("like steps back without end", () => {
  assert.equal(matches("a".repeat(5000), "%a".repeat(30) + "b"), false);
  assert.ok(matches("abc", "%") && matches("", "%") && matches("aXb", "a_b") && !matches("ab", "a_b") && matches("a%b", "A%B"));
});
