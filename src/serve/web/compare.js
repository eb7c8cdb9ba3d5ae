// @ts-check
/** Two to six runs beside each other: parameters that differ, curves over each other, matrices and the test against the first, logs. */

import { write } from "./address.js";
import { get } from "./api.js";
import { chart, legend } from "./charts.js";
import { ofPlace, difference } from "./colours.js";
import { fill, h, plainLog } from "./dom.js";
import { number, shown } from "./format.js";
import { aligned } from "./numbers.js";
import { matrix } from "./run.js";

/** So many charts at most. */
const MOST_CHARTS = 24;

/**
 * @param {HTMLElement} home
 * @param {string} experiment
 * @param {number[]} keys
 */
export async function comparePage(home, experiment, keys) {
  const [compared, whole] = await Promise.all([get("api/compare", { experiment, runs: keys.join(",") }), get("api/experiment", { experiment })]);
  const names = compared.runs.map((/** @type {any} */ run) => run.run);
  const fields = whole.fields.indexOf("key");
  const looks = compared.runs.map((/** @type {any} */ run) => ofPlace(whole.runs.findIndex((/** @type {any[]} */ row) => row[fields] === run.key)));
  /** @type {ReturnType<typeof chart>[]} */
  const charts = [];
  const curveHome = h("div", { class: "charts" });
  const logHome = h("div", { class: "logs" });
  const head = (/** @type {string} */ first) => h("tr", null, h("th", { scope: "col" }, first), compared.runs.map((/** @type {any} */ run) => h("th", { scope: "col" }, h("a", { href: write({ page: "run", experiment, run: run.run }) }, run.run))));
  const tags = [...new Set(compared.runs.flatMap((/** @type {any} */ run) => Object.keys(run.last)))].sort();
  fill(
    home,
    h("h1", null, `${names.length} runs of ${experiment}`),
    h("section", { class: "panel", "aria-label": "Parameters that differ" }, h("h2", null, "Parameters that differ"),
      compared.parameters.length === 0 ? h("p", { class: "quiet" }, "None.") :
        h("div", { class: "wide" }, h("table", { class: "plain" }, h("thead", null, head("parameter")),
          h("tbody", null, compared.parameters.map((/** @type {any} */ one) => h("tr", null, h("th", { scope: "row" }, one.name), one.values.map((/** @type {any} */ value) => h("td", null, shown(value))))))))),
    h("section", { class: "panel", "aria-label": "Curves" }, h("h2", null, "Curves"), curveHome),
    h("section", { class: "panel", "aria-label": "Last values" }, h("h2", null, "Last values"),
      h("div", { class: "wide" }, h("table", { class: "plain" }, h("thead", null, head("metric")),
        h("tbody", null, tags.map((tag) => h("tr", null, h("th", { scope: "row" }, tag), compared.runs.map((/** @type {any} */ run) => h("td", { class: "number" }, number(run.last[tag]))))))))),
    compared.against_first.some(Boolean) && h("section", { class: "panel", "aria-label": "Predictions" }, h("h2", null, `Predictions against ${names[0]}`),
      h("div", { class: "charts" }, compared.against_first.map((/** @type {any} */ against, /** @type {number} */ at) => against && pair(against, names[0], names[at + 1], compared.runs[0].classes)))),
    h("section", { class: "panel", "aria-label": "Logs" }, h("h2", null, "Logs"), logHome),
  );

  const found = await Promise.all(names.map((/** @type {string} */ run) => get("api/run/curves", { experiment, run, points: 1000 })));
  const shownTags = [...new Set(found.flatMap(({ curves }) => curves.map((/** @type {any} */ curve) => curve.tag)))].filter((tag) => !tag.startsWith("system/")).sort();
  for (const tag of shownTags.slice(0, MOST_CHARTS)) {
    /** @type {any[]} */
    const members = [];
    found.forEach(({ curves }, at) => {
      const curve = curves.find((/** @type {any} */ one) => one.tag === tag);
      if (curve) members.push({ curve, at });
    });
    const [plot, below] = [h("div"), h("div")];
    curveHome.append(h("figure", null, h("figcaption", null, tag), plot, below));
    const lines = members.map(({ at }) => ({ label: names[at], colour: looks[at].colour, dash: looks[at].dash, width: 1.8, points: false }));
    const drawn = chart(plot);
    charts.push(drawn);
    drawn.update({ lines, data: aligned(members.map(({ curve }) => curve)), height: 220, label: `${tag} by step of ${names.join(", ")}` });
    fill(below, legend(lines));
  }
  const logs = await Promise.all(names.map((/** @type {string} */ run) => get("api/run/log", { experiment, run })));
  fill(logHome, logs.map(({ text }, at) => h("div", null, h("h3", null, names[at]), h("pre", { class: "log", tabindex: "0", "aria-label": `Log of ${names[at]}` }, text ? plainLog(text) : "No log."))));
  return { end: () => charts.forEach((drawn) => drawn.destroy()) };
}

/**
 * @param {any} against
 * @param {string} first
 * @param {string} second
 * @param {string[]} classes
 */
function pair(against, first, second, classes) {
  if (against.why) return h("figure", null, h("figcaption", null, second), h("p", { class: "quiet" }, against.why));
  const { table, p } = against;
  const most = Math.max(...against.difference.flat().map(Math.abs), 1);
  const colour = (/** @type {number} */ value) => difference(value / most);
  return h("figure", null, h("figcaption", null, second),
    matrix(against.difference, classes, colour, `Images of ${first} less those of ${second}`),
    h("p", null, `Right: both ${table.both}, only ${first} ${table.only_first}, only ${second} ${table.only_second}, neither ${table.neither}. `,
      h("b", null, `Exact McNemar test: p = ${number(p)}`), p < 0.05 ? ": they differ." : ": not distinguishable."));
}
