// @ts-check
/** The strip above a sweep: how many runs are in which state, how long it takes, and the best run so far. */

import { fill, h } from "./dom.js";
import { counted, duration, number } from "./format.js";

const STATES = ["running", "completed", "reused", "pending", "paused", "failed", "stopped", "cancelled"];

/**
 * @param {Element} place
 * @param {any} strip
 * @param {{metric: string, href: (run: string) => string}} more
 */
export function strip(place, strip, { metric, href }) {
  const { counts, runs, best, live, status } = strip;
  const known = STATES.filter((state) => counts[state]);
  const bar = h(
    "div",
    { class: "bar", role: "img", "aria-label": known.map((state) => `${counts[state]} ${state}`).join(", ") },
    known.map((state) => h("span", { class: `fill ${state}`, style: { flexGrow: String(counts[state]) } })),
  );
  const numbers = known.map((state) => h("span", { class: "count" }, h("span", { class: `dot ${state}`, "aria-hidden": "true" }), h("b", null, counts[state]), ` ${state}`));
  const time = live ? (status?.eta === null || status?.eta === undefined ? "time left not known yet" : `about ${duration(status.eta)} left`) : "not being run";
  const slots = live && status ? `${status.busy} of ${counted(status.slots, "slot")} busy` : null;
  fill(
    place,
    bar,
    h("p", { class: "facts" }, numbers, h("span", { class: "count" }, `of ${counted(runs, "run")}`), h("span", { class: "count" }, time), slots && h("span", { class: "count" }, slots)),
    best ? bestRun(best, metric, href) : h("p", { class: "quiet" }, "No run is ranked yet."),
  );
}

/**
 * @param {any} best
 * @param {string} metric
 * @param {(run: string) => string} href
 */
function bestRun(best, metric, href) {
  const interval = best.low !== null && best.high !== null ? ` (95 % interval ${number(best.low)} to ${number(best.high)}, ${counted(best.images, "image")})` : "";
  const ties = best.ties.length
    ? `not distinguishable from ${best.ties.length} of the next ${best.tested}: ${best.ties.slice(0, 4).join(", ")}${best.ties.length > 4 ? ", …" : ""}`
    : "";
  return h("p", { class: "best" }, "Best so far: ", h("a", { href: href(best.run) }, best.run), h("span", null, ` ${metric} `), h("b", null, number(best.value)), interval, ties && h("span", { class: "quiet" }, ` · ${ties}`));
}
