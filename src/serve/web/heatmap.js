// @ts-check
/** The metric over two axes: a table whose cells are coloured, so that everybody can read it. */

import { fill, h } from "./dom.js";
import { counted, number, shown } from "./format.js";
import { heat } from "./numbers.js";
import { heatColour } from "./colours.js";

/** More values of an axis than that are no picture. */
const MOST = 40;

/**
 * @param {HTMLElement} home
 * @param {(name: "x" | "y" | "z", value: string) => void} onChoose
 */
export function heatmap(home, onChoose) {
  const controls = h("div", { class: "controls" });
  const place = h("div", { class: "wide" });
  home.replaceChildren(controls, place);
  return {
    /** @param {{rows: any[], axes: string[], metrics: string[], x: string, y: string, z: string}} now */
    update({ rows, axes, metrics, x, y, z }) {
      const choose = (/** @type {"x" | "y" | "z"} */ name, /** @type {string} */ label, /** @type {string[]} */ values, /** @type {string} */ value) =>
        h("label", null, `${label} `, h("select", { onchange: (/** @type {any} */ event) => onChoose(name, event.target.value) }, values.map((axis) => h("option", { value: axis, selected: axis === value }, axis))));
      fill(controls, choose("x", "across", axes, x), choose("y", "down", axes, y), choose("z", "mean of", metrics, z));
      const { xs, ys, cells, low, high } = heat(rows, x, y, z);
      if (xs.length === 0 || ys.length === 0) {
        fill(place, h("p", { class: "quiet" }, "There is nothing to show yet."));
        return;
      }
      const left = xs.length > MOST || ys.length > MOST ? h("p", { class: "quiet" }, `The first ${MOST} values of each axis are shown.`) : null;
      const part = (/** @type {number} */ mean) => (high > low ? (mean - low) / (high - low) : 0.5);
      fill(
        place,
        h(
          "table",
          { class: "heat" },
          h("caption", null, `Mean of ${z}: ${y} down, ${x} across`),
          h("thead", null, h("tr", null, h("td"), xs.slice(0, MOST).map((value) => h("th", { scope: "col" }, shown(value))))),
          h(
            "tbody",
            null,
            ys.slice(0, MOST).map((value, line) =>
              h(
                "tr",
                null,
                h("th", { scope: "row" }, shown(value)),
                xs.slice(0, MOST).map((_, column) => {
                  const cell = cells[line][column];
                  if (!cell) return h("td", { class: "empty" }, "–");
                  const { background, text } = heatColour(part(cell.mean));
                  return h("td", { style: { backgroundColor: background, color: text }, title: `mean of ${counted(cell.count, "run")}: ${number(cell.mean)}` }, number(cell.mean));
                }),
              ),
            ),
          ),
        ),
        left,
      );
    },
  };
}
