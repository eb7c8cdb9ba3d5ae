// @ts-check
/** The page of an experiment: strip, curves, ranked table, parallel coordinates, heat map; what each filters, all show. */

import { readRanges, write, writeRanges } from "./address.js";
import { get, listen } from "./api.js";
import { styled } from "./charts.js";
import { PALETTE, ofPlace } from "./colours.js";
import { BEST, curves as curvesPanel } from "./curves.js";
import { clean, fill, h } from "./dom.js";
import { FilterError } from "./filter.js";
import { counted, duration, number, shown } from "./format.js";
import { heatmap } from "./heatmap.js";
import * as model from "./model.js";
import { extended, sorted } from "./numbers.js";
import { parallel } from "./parallel.js";
import { strip } from "./strip.js";
import { table } from "./table.js";

/** How often charts are drawn anew while points come, milliseconds. */
const PAUSE = 250;
/** So many curves come with the first screen, the others after it. */
const FIRST = 24;
/** Compared at once. */
const MOST_COMPARED = 6;

/**
 * @param {HTMLElement} home
 * @param {string} experiment
 * @param {Record<string, string>} first the view of the address
 * @param {any} shell
 */
export async function experimentPage(home, experiment, first, shell) {
  const place = { page: /** @type {"experiment"} */ ("experiment"), experiment };
  let view = { ...first };
  let ended = false;
  /** @type {(() => void) | null} */
  let stop = null;
  /** @type {any} */
  let info = null;
  /** @type {any[]} */
  let rows = [];
  /** @type {Map<number, any>} */
  let byKey = new Map();
  /** @type {Map<number, any>} */
  let curves = new Map();
  /** @type {Set<number>} */
  const selected = new Set();
  let scheduled = 0;
  /** @type {Set<number>} Keys whose curves were asked for. */
  let asked = new Set();
  /** @type {{from: number, to: number, curves: Map<number, any>} | null} The steps in sight, and their finer points. */
  let zoom = null;

  const stripHome = h("section", { class: "strip", "aria-label": "State of the sweep" });
  const curveHome = h("div");
  const group = h("select", { id: "group", onchange: (/** @type {any} */ event) => set({ group: event.target.value }) });
  const search = h("input", { type: "search", id: "search", placeholder: "run, tag, reason", oninput: (/** @type {any} */ event) => set({ q: event.target.value }) });
  const filter = h("input", { type: "text", id: "filter", spellcheck: "false", autocomplete: "off", placeholder: "e.g. lr < 0.1 and state = 'completed'", oninput: (/** @type {any} */ event) => set({ filter: event.target.value }) });
  const archived = h("input", { type: "checkbox", onchange: (/** @type {any} */ event) => set({ archived: event.target.checked ? "1" : "" }) });
  const problem = h("p", { id: "filter-problem", class: "problem", role: "alert" });
  const count = h("p", { class: "quiet", role: "status" });
  const actions = h("div", { class: "controls" });
  const tableHome = h("div");
  const parallelHome = h("div");
  const heatHome = h("div");
  filter.setAttribute("aria-describedby", "filter-problem");
  const heading = h("h2", { id: "curves-heading" }, "Curves");
  fill(
    home,
    h("h1", null, experiment),
    stripHome,
    h("div", { class: "panels" },
      h("section", { class: "panel", "aria-labelledby": "curves-heading" }, h("div", { class: "controls" }, heading, h("label", { for: "group" }, "mean over "), group), curveHome),
      h("section", { class: "panel", "aria-label": "Parallel coordinates" }, h("h2", null, "Axes and metrics"), parallelHome)),
    h("section", { class: "panel", "aria-label": "Runs" },
      h("div", { class: "controls" }, h("h2", null, "Runs"), h("label", { for: "search" }, "search "), search, h("label", { for: "filter" }, "filter "), filter, h("label", null, archived, " archived")),
      problem, h("div", { class: "controls" }, count, actions), tableHome),
    h("section", { class: "panel", "aria-label": "Heat map" }, h("h2", null, "Two axes"), heatHome),
  );

  const open = (/** @type {any} */ row) => row && shell.go(write({ page: "run", experiment, run: row.run }));
  const curvePanel = curvesPanel(curveHome, open, (range) => look(range).catch(shell.trouble));
  const axesPanel = parallel(parallelHome, (name, range) => {
    const ranges = readRanges(view.brush);
    if (range) ranges.set(name, range);
    else ranges.delete(name);
    set({ brush: writeRanges(ranges) });
  });
  const heatPanel = heatmap(heatHome, (name, value) => set({ [name]: value }));
  const runs = table(tableHome, {
    label: `Runs of ${experiment}`,
    onSort: (name) => set({ sort: name, desc: (view.sort ?? "rank") === name && !view.desc ? "1" : "" }),
    onOpen: open,
    onSelect: (key, on) => {
      if (on) selected.add(key);
      else selected.delete(key);
      draw();
    },
    onHover: (key) => axesPanel.hover(key),
  });

  /** @param {Record<string, string>} change */
  function set(change) {
    view = { ...view, ...change };
    shell.replace(write(place, view));
    draw();
  }

  async function load() {
    stop?.();
    const fresh = await get("api/experiment", { experiment });
    const found = await get("api/curves", { experiment, count: FIRST });
    if (ended) return;
    info = fresh;
    rows = fresh.runs.map((/** @type {any[]} */ values, /** @type {number} */ at) => model.row(values, info, at));
    byKey = new Map(rows.map((row) => [row.key, row]));
    asked = new Set();
    curves = new Map(found.curves.map((/** @type {any} */ curve) => [curve.key, curve]));
    for (const key of selected) if (!byKey.has(key)) selected.delete(key);
    fill(group, h("option", { value: "" }, "no axis"), [...info.axis_columns, "seed"].map((axis) => h("option", { value: axis }, axis)));
    heading.textContent = clean(info.metrics[0].name);
    draw();
    if (found.curves.length === FIRST) loadOthers().catch(shell.trouble);
    stop = listen(
      { experiment, since: fresh.id },
      {
        state: shell.live,
        reset: () => load().catch(shell.trouble),
        gone: () => shell.trouble(new Error(`${experiment} is not there any more`)),
        trouble: (data) => shell.trouble(new Error(data.error)),
        strip: (data) => {
          info.strip = data;
          drawStrip();
        },
        runs: (changed) => {
          for (const values of changed) {
            // One that is not known was added by a search.
            const place = byKey.get(values[0])?.place ?? rows.length;
            const row = model.row(values, info, place);
            rows[place] = row;
            byKey.set(row.key, row);
          }
          later();
        },
        points: (grown) => {
          for (const { key, after, steps, values } of grown) {
            for (const known of zoom ? [curves, zoom.curves] : [curves]) known.set(key, extended(known.get(key), after, { steps, values }));
          }
          later();
        },
      },
    );
  }

  /** The curves that are grey, mostly, before those points of theirs that have come meanwhile. */
  async function loadOthers() {
    const found = await get("api/curves", { experiment });
    for (const curve of found.curves) {
      const known = curves.get(curve.key);
      const last = curve.steps[curve.steps.length - 1];
      const from = known ? known.steps.findIndex((/** @type {number} */ step) => step > last) : -1;
      const newer = from < 0 ? { steps: [], values: [] } : { steps: known.steps.slice(from), values: known.values.slice(from) };
      curves.set(curve.key, extended(curve, last, newer));
    }
    later();
  }

  function later() {
    if (scheduled) return;
    scheduled = window.setTimeout(() => {
      scheduled = 0;
      draw();
    }, PAUSE);
  }

  function drawStrip() {
    strip(stripHome, info.strip, { metric: info.metrics[0].name, href: (run) => write({ page: "run", experiment, run }) });
  }

  function draw() {
    if (!info || ended) return;
    drawStrip();
    for (const [input, value] of [[search, view.q ?? ""], [filter, view.filter ?? ""], [group, view.group ?? ""]]) if (input.value !== value) input.value = value;
    archived.checked = Boolean(view.archived);
    const ranges = readRanges(view.brush);
    let found = rows;
    /** @type {(row: any) => boolean} */
    let passes = () => true;
    problem.textContent = "";
    try {
      ({ found, passes } = model.chosen(rows, info, { search: view.q ?? "", filter: view.filter ?? "", ranges, archived: Boolean(view.archived) }));
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      problem.textContent = clean(`${error.message} (at ${error.at + 1})`);
    }
    filter.setAttribute("aria-invalid", String(problem.textContent !== ""));
    const inside = found.filter(passes);
    const metric = info.metrics[0].name;
    const groups = view.group ? sorted([...new Set(found.map((row) => shown(row[view.group])))]) : [];
    const best = new Set(bestOf(inside).map((row) => row.key));
    const isLoud = (/** @type {any} */ row) => best.has(row.key) || row.state === "running";
    const colour = (/** @type {any} */ row) => {
      if (view.group) return PALETTE[groups.indexOf(shown(row[view.group])) % PALETTE.length];
      // As in the curves: thousands of colours tell nothing.
      return isLoud(row) ? ofPlace(row.place).colour : styled("--other");
    };
    const dims = model.dimensions(info, rows);
    const rank = view.sort ?? "rank";
    const ordered = model.sortedBy(inside, rank, Boolean(view.desc));
    count.textContent = inside.length === rows.length ? counted(rows.length, "run") : `${inside.length} of ${counted(rows.length, "run")}`;
    fetchBest(inside);
    curvePanel.update({ rows: inside, curves: zoom ? new Map([...curves, ...zoom.curves]) : curves, group: view.group ?? "", metric });
    axesPanel.update({ dimensions: dims, rows: found, ranges, passes, isLoud, colour });
    runs.update({ rows: ordered, columns: columns(metric), selected, sort: rank, descending: Boolean(view.desc) });
    const axes = [...info.axis_columns, ...(info.seeds.length > 1 ? ["seed"] : [])];
    heatHome.parentElement?.toggleAttribute("hidden", axes.length < 2);
    if (axes.length >= 2) {
      const x = axes.includes(view.x) ? view.x : axes[0];
      const y = axes.includes(view.y) ? view.y : (axes.find((axis) => axis !== x) ?? axes[0]);
      const metrics = info.metrics.map((/** @type {any} */ known) => known.name);
      heatPanel.update({ rows: inside, axes, metrics, x, y, z: metrics.includes(view.z) ? view.z : metric });
    }
    drawActions();
  }

  /** @param {any[]} inside */
  function bestOf(inside) {
    return inside.filter((row) => row.rank !== null).sort((a, b) => a.rank - b.rank).slice(0, BEST);
  }

  /**
   * The curves of the best runs that are shown, where they were not among the first.
   * @param {any[]} inside
   */
  async function fetchBest(inside) {
    const wanted = bestOf(inside).map((row) => row.key).filter((key) => !curves.has(key) && !asked.has(key));
    if (wanted.length === 0) return;
    for (const key of wanted) asked.add(key);
    try {
      const found = await get("api/curves", { experiment, runs: wanted.join(",") });
      for (const curve of found.curves) if (!curves.has(curve.key)) curves.set(curve.key, curve);
      later();
    } catch (error) {
      shell.trouble(error);
    }
  }

  /**
   * Finer points for the steps that are in sight, or all steps again.
   * @param {[number, number] | null} range
   */
  async function look(range) {
    zoom = range && { from: Math.floor(range[0]), to: Math.ceil(range[1]), curves: new Map() };
    if (!zoom) return draw();
    const mine = zoom;
    const found = await get("api/curves", { experiment, runs: [...curves.keys()].join(","), from: mine.from, to: mine.to });
    if (zoom !== mine) return;
    mine.curves = new Map(found.curves.map((/** @type {any} */ curve) => [curve.key, curve]));
    draw();
  }

  /** @param {string} metric */
  function columns(metric) {
    const value = (/** @type {string} */ name) => ({ name, number: true, cell: (/** @type {any} */ row) => number(row[name]) });
    const link = (/** @type {any} */ row) => [
      h("a", { href: write({ page: "run", experiment, run: row.run }), tabindex: "-1" }, row.run),
      row.problem && h("span", { class: "warn", title: row.problem }, " !"),
    ];
    return [
      { name: "rank", number: true, cell: (/** @type {any} */ row) => h("span", { title: row.why_unranked ?? row.against_best }, row.rank ?? "–") },
      { name: "run", cell: link },
      { name: "state", cell: (/** @type {any} */ row) => [h("span", { class: `dot ${row.state}`, "aria-hidden": "true" }), h("span", { title: row.reason }, row.state)] },
      ...info.axis_columns.map((/** @type {string} */ name) => ({ name, number: true, cell: (/** @type {any} */ row) => shown(row[name]) })),
      ...(info.seeds.length > 1 ? [{ name: "seed", number: true, cell: (/** @type {any} */ row) => row.seed }] : []),
      ...info.metrics.map((/** @type {any} */ known) =>
        known.name === metric
          ? { name: metric, number: true, cell: (/** @type {any} */ row) => h("span", { title: row.low !== null ? `95 % interval ${number(row.low)} to ${number(row.high)}` : null }, h("b", null, number(row[metric]))) }
          : value(known.name)),
      { name: "step", number: true, cell: (/** @type {any} */ row) => row.step ?? "–" },
      { name: "seconds", title: "duration of the last attempt", number: true, cell: (/** @type {any} */ row) => duration(row.seconds) },
      { name: "tags", cell: (/** @type {any} */ row) => row.tag_list.map((/** @type {string} */ tag) => h("span", { class: "tag" }, tag)) },
      { name: "reason", cell: (/** @type {any} */ row) => row.reason ?? "" },
    ];
  }

  function drawActions() {
    const chosen = [...selected].map((key) => byKey.get(key)).filter(Boolean);
    if (chosen.length === 0) {
      fill(actions, h("span", { class: "quiet" }, "Select runs to compare or to change them."));
      return;
    }
    const names = chosen.map((row) => row.run);
    const can = chosen.length >= 2 && chosen.length <= MOST_COMPARED;
    const change = (/** @type {any} */ wish) => shell.change({ experiment, ...wish });
    fill(
      actions,
      h("span", null, `${chosen.length} selected`),
      h("button", { type: "button", disabled: !can, title: `two to ${MOST_COMPARED}`, onclick: () => shell.go(write({ page: "compare", experiment, keys: [...selected] })) }, "Compare"),
      h("button", { type: "button", onclick: () => change({ verb: "cancel", runs: names }) }, "Cancel"),
      h("button", { type: "button", onclick: () => change({ verb: "requeue", runs: names }) }, "Requeue"),
      h("button", { type: "button", onclick: () => tag(names) }, "Tag"),
      h("button", { type: "button", class: "link", onclick: () => { selected.clear(); draw(); } }, "none"),
    );
  }

  /** @param {string[]} names */
  async function tag(names) {
    const word = await shell.ask(`Tag for ${counted(names.length, "run")}; a minus before it takes it away`, "");
    if (!word) return;
    const key = word.startsWith("-") ? "remove" : "add";
    for (const run of names) if (!(await shell.change({ verb: "tag", experiment, run, [key]: [word.replace(/^-/, "")] }))) return;
  }

  await load();
  return {
    /** @param {Record<string, string>} next */
    view(next) {
      view = { ...next };
      draw();
    },
    end() {
      ended = true;
      stop?.();
      curvePanel.destroy();
      clearTimeout(scheduled);
    },
  };
}
