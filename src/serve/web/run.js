// @ts-check
/** The page of a run: its curves by group, its log as it grows, what its predictions say, its attempts, parameters and files. */

import { write } from "./address.js";
import { get, listen } from "./api.js";
import { chart, legend, styled } from "./charts.js";
import { PALETTE } from "./colours.js";
import { fill, h, plainLog } from "./dom.js";
import { counted, duration, number, shown, size, when } from "./format.js";
import { aligned } from "./numbers.js";

/** So much of a log is kept in sight, letters. */
const MOST_LOG = 200_000;
/** Between two readings of the curves, milliseconds. */
const PAUSE = 1000;

/**
 * The group of a tag: what it is called without its folder; what is measured of the machine is a group each.
 * @param {string} tag
 */
export function groupOf(tag) {
  return tag.startsWith("system/") ? tag : (tag.split("/").pop() ?? tag);
}

/**
 * Matrix of counts as a table.
 * @param {number[][]} counts
 * @param {string[]} classes
 * @param {(value: number, line: number[]) => {background: string, text: string}} colour
 * @param {string} caption
 */
export function matrix(counts, classes, colour, caption) {
  const name = (/** @type {number} */ at) => classes[at] ?? String(at);
  return h("table", { class: "heat" },
    h("caption", null, caption),
    h("thead", null, h("tr", null, h("td", null, "true \\ predicted"), counts.map((_, at) => h("th", { scope: "col" }, name(at))))),
    h("tbody", null, counts.map((line, truth) => h("tr", null, h("th", { scope: "row" }, name(truth)), line.map((value) => {
      const { background, text } = colour(value, line);
      return h("td", { style: { backgroundColor: background, color: text } }, value);
    })))));
}

/**
 * Shades of blue by the part of a line.
 * @param {number} value
 * @param {number[]} line
 */
export function shade(value, line) {
  const part = value / Math.max(line.reduce((sum, one) => sum + one, 0), 1);
  return { background: `color-mix(in srgb, #0072b2 ${Math.round(part * 100)}%, var(--paper))`, text: part > 0.8 ? "#fff" : "inherit" };
}

/**
 * @param {HTMLElement} home
 * @param {string} experiment
 * @param {string} run
 * @param {any} shell
 */
export async function runPage(home, experiment, run, shell) {
  let ended = false;
  /** @type {(() => void) | null} */
  let stop = null;
  let timer = 0;
  let text = "";
  let known = 0;
  /** @type {[number, number] | null} */
  let zoom = null;
  /** @type {Map<string, {drawn: ReturnType<typeof chart>, below: HTMLElement}>} */
  const charts = new Map();
  /** @type {ReturnType<typeof chart>[]} */
  const others = [];

  const facts = h("section", { class: "panel", "aria-label": "Facts" });
  const curveHome = h("div", { class: "charts" });
  const systemHome = h("div", { class: "charts" });
  const systemPanel = h("section", { class: "panel", hidden: true, "aria-label": "Machine" }, h("h2", null, "Machine"), systemHome);
  const log = h("pre", { class: "log", tabindex: "0", "aria-label": "Log" });
  const answers = h("section", { class: "panel", hidden: true, "aria-label": "Predictions" });
  const attempts = h("section", { class: "panel", "aria-label": "Attempts" });
  const parameters = h("section", { class: "panel", "aria-label": "Parameters" });
  const provenance = h("section", { class: "panel", "aria-label": "Provenance" });
  const files = h("section", { class: "panel", "aria-label": "Files" });
  fill(
    home,
    h("h1", null, run),
    facts,
    h("section", { class: "panel", "aria-label": "Curves" }, h("h2", null, "Curves"), curveHome),
    h("section", { class: "panel", "aria-label": "Log" }, h("h2", null, "Log"), log),
    answers, systemPanel, attempts,
    h("div", { class: "panels" }, parameters, provenance), files,
  );

  async function loadFacts() {
    const about = await get("api/run", { experiment, run });
    if (ended) return about;
    drawFacts(about);
    return about;
  }

  async function loadCurves() {
    const { curves } = await get("api/run/curves", { experiment, run, from: zoom?.[0], to: zoom?.[1], points: 1500 });
    if (ended) return;
    /** @type {Map<string, any[]>} */
    const groups = new Map();
    for (const curve of curves) groups.set(groupOf(curve.tag), [...(groups.get(groupOf(curve.tag)) ?? []), curve]);
    if (groups.size === 0) fill(curveHome, h("p", { class: "quiet" }, "No curves yet."));
    else curveHome.querySelector("p.quiet:only-child")?.remove();
    for (const [name, members] of groups) drawGroup(name, members);
  }

  /**
   * @param {string} name
   * @param {any[]} members
   */
  function drawGroup(name, members) {
    let found = charts.get(name);
    if (!found) {
      const system = name.startsWith("system/");
      const [plot, below] = [h("div"), h("div")];
      (system ? systemHome : curveHome).append(h("figure", null, h("figcaption", null, system ? name.slice(7) : name), plot, below));
      if (system) systemPanel.hidden = false;
      found = { drawn: chart(plot), below };
      charts.set(name, found);
    }
    const lines = members.map((curve, at) => ({ label: curve.tag, colour: PALETTE[at % PALETTE.length], points: curve.steps.length < 30 }));
    found.drawn.update({
      lines, data: aligned(members), height: 220, label: `${name} by step`,
      x: name.startsWith("system/") ? "second" : "step",
      onZoom: (range) => {
        zoom = range ? [Math.floor(range[0]), Math.ceil(range[1])] : null;
        // Finer points for what is in sight.
        loadCurves().catch(shell.trouble);
      },
    });
    fill(found.below, members.length > 1 && legend(lines));
  }

  /** @param {any} about */
  function drawFacts(about) {
    const change = (/** @type {any} */ wish) => shell.change({ experiment, ...wish }).then(loadFacts);
    const last = about.attempts[about.attempts.length - 1];
    fill(
      facts,
      h("p", { class: "facts" },
        h("span", { class: "count" }, h("span", { class: `dot ${about.state}`, "aria-hidden": "true" }), h("b", null, about.state)),
        about.rank !== null && h("span", { class: "count" }, "rank ", h("b", null, about.rank), about.mcnemar_p !== null && `, ${about.against_best} from rank 1 (p ${number(about.mcnemar_p)})`),
        about.low !== null && h("span", { class: "count" }, `95 % interval ${number(about.low)} to ${number(about.high)}`),
        h("span", { class: "count" }, `seed ${about.seed}`),
        last && h("span", { class: "count" }, last.finished ? duration(last.finished - last.started) : `since ${when(last.started)}`, last.slot && ` on ${last.slot}`, about.host && ` of ${about.host}`),
        about.tags.map((/** @type {string} */ tag) => h("span", { class: "tag" }, tag))),
      about.note && h("p", null, about.note),
      about.why_unranked && h("p", { class: "quiet" }, `Not ranked: ${about.why_unranked}`),
      about.problem && h("p", { class: "problem" }, about.problem),
      about.failure && h("div", { class: "problem" }, h("p", null, `${about.failure.kind}: ${about.failure.reason}`), about.failure.log_tail && h("pre", { class: "log short" }, plainLog(about.failure.log_tail))),
      h("div", { class: "controls" },
        h("button", { type: "button", disabled: ["completed", "reused", "cancelled"].includes(about.state), onclick: () => change({ verb: "cancel", runs: [run] }) }, "Cancel"),
        h("button", { type: "button", disabled: !["failed", "cancelled", "stopped"].includes(about.state), onclick: () => change({ verb: "requeue", runs: [run] }) }, "Requeue"),
        h("button", { type: "button", onclick: async () => {
          const word = await shell.ask("Tag; a minus before it takes it away", "");
          if (word) await change({ verb: "tag", run, [word.startsWith("-") ? "remove" : "add"]: [word.replace(/^-/, "")] });
        } }, "Tag")),
    );
    const rows = about.attempts.map((/** @type {any} */ attempt) =>
      h("tr", null,
        [attempt.attempt, attempt.state, attempt.slot, attempt.host, when(attempt.started), attempt.finished ? duration(attempt.finished - attempt.started) : "–", size(attempt.peak_memory), attempt.resumed_from ?? "–",
          [attempt.failure && `${attempt.failure.kind}: ${attempt.failure.reason}`, attempt.problem].filter(Boolean).join("; ")].map((cell) => h("td", null, cell))));
    fill(attempts, h("h2", null, "Attempts"), rows.length === 0 ? h("p", { class: "quiet" }, "None yet.") :
      h("div", { class: "wide" }, h("table", { class: "plain" }, h("thead", null, h("tr", null, ["attempt", "state", "slot", "machine", "started", "took", "peak memory", "resumed from", "why"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", null, rows))));
    fill(parameters, h("h2", null, "Parameters"), pairs({ family: about.family, seed: about.seed, ...about.parameters, id: about.id }));
    fill(provenance, h("h2", null, "Provenance"), pairs({ version: about.version, device: about.device, threads: about.threads, ...flat(about.provenance ?? {}) }));
    fill(files, h("h2", null, "Files"), h("p", { class: "quiet" }, about.directory),
      h("ul", { class: "files" }, about.files.map((/** @type {any} */ file) => h("li", null, file.name, h("span", { class: "quiet" }, ` ${size(file.bytes)}`)))));
    if (about.confusion) drawAnswers(about).catch(() => {});
  }

  let drawnAnswers = "";
  /** @param {any} about */
  async function drawAnswers(about) {
    const now = JSON.stringify(about.confusion);
    if (now === drawnAnswers) return;
    drawnAnswers = now;
    answers.hidden = false;
    const more = h("div");
    fill(answers, h("h2", null, "Predictions"), h("div", { class: "wide" }, matrix(about.confusion, about.classes, shade, "Confusion matrix: images")), more);
    if (!about.has_predictions) return;
    let found;
    try {
      found = await get("api/run/predictions", { experiment, run });
    } catch (error) {
      fill(more, h("p", { class: "problem" }, /** @type {Error} */ (error).message));
      return;
    }
    if (ended) return;
    const places = h("div", { class: "charts" });
    fill(more, places,
      h("details", null, h("summary", null, `${found.wrong} of ${counted(found.images, "image")} wrong`),
        h("img", { src: `api/run/wrong.png?${new URLSearchParams({ experiment, run })}`, alt: "Some of the images that the run has wrong", loading: "lazy", class: "wrong", onerror: (/** @type {any} */ event) => event.target.remove() }),
        h("table", { class: "plain" }, h("thead", null, h("tr", null, ["image", "class", "predicted", "probability"].map((name) => h("th", { scope: "col" }, name)))),
          h("tbody", null, found.listed.map((/** @type {any} */ one) => h("tr", null, [one.image, one.label, one.predicted, number(one.probability)].map((cell) => h("td", null, cell)))))),
        found.wrong > found.listed.length && h("p", { class: "quiet" }, `The first ${found.listed.length}.`)));
    for (const [kind, title, x, y] of [["roc", "ROC", "false positive rate", "true positive rate"], ["pr", "Precision and recall", "recall", "precision"]]) {
      const members = found.classes.filter((/** @type {any} */ one) => one[kind]);
      if (members.length === 0) continue;
      const [plot, below] = [h("div"), h("div")];
      places.append(h("figure", null, h("figcaption", null, title), plot, below));
      const area = (/** @type {any} */ one) => (kind === "roc" ? `AUC ${number(one.auc)}` : `average precision ${number(one.average_precision)}`);
      const lines = members.map((/** @type {any} */ one, /** @type {number} */ at) => ({ label: `${one.class} (${area(one)})`, colour: PALETTE[at % PALETTE.length], width: 2, points: false }));
      lines.push({ label: "chance", colour: styled("--ink-soft"), dash: [4, 4], points: false, faint: true, width: 1 });
      const pairs = members.map((/** @type {any} */ one) => spread(one[kind]));
      const share = members[0].share;
      pairs.push(kind === "roc" ? { steps: [0, 1], values: [0, 1] } : { steps: [0, 1], values: [share, share] });
      const drawn = chart(plot);
      others.push(drawn);
      drawn.update({ lines, data: aligned(pairs), height: 260, x, y, label: `${title}: ${members.map(area).join(", ")}`, square: true, xRange: [0, 1], yRange: [0, 1.02] });
      fill(below, legend(lines));
    }
  }

  const begun = await get("api/run/log", { experiment, run });
  appendLog(begun);
  const about = await loadFacts();
  await loadCurves();
  if (ended) return { end() {} };
  const soon = () => {
    if (timer) return;
    timer = window.setTimeout(() => {
      timer = 0;
      loadCurves().catch(shell.trouble);
    }, PAUSE);
  };
  const { id } = await get("api/experiment", { experiment });
  const again = () => Promise.all([loadFacts(), loadCurves()]).catch(shell.trouble);
  stop = listen(
    { experiment, since: id, log: run, log_from: known },
    {
      state: shell.live,
      reset: again,
      runs: (changed) => {
        if (changed.some((/** @type {any[]} */ values) => values[0] === about.key)) {
          loadFacts().catch(shell.trouble);
          soon();
        }
      },
      grown: (names) => {
        if (names.includes(run)) soon();
      },
      log: appendLog,
    },
  );

  /** @param {{begins: number, text: string, end: number}} piece */
  function appendLog({ begins, text: more, end }) {
    // A browser that comes back is told again what it knows.
    if (begins < known && end <= known && end > 0) return;
    if (begins !== known) text = "";
    text = (text + more).slice(-MOST_LOG);
    known = end;
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    log.textContent = text ? plainLog(text) : "Nothing yet.";
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  return {
    end() {
      ended = true;
      stop?.();
      clearTimeout(timer);
      for (const { drawn } of charts.values()) drawn.destroy();
      for (const drawn of others) drawn.destroy();
    },
  };
}

/**
 * Points that go straight up, on steps of their own: the chart has one value a step.
 * @param {[number, number][]} points
 */
function spread(points) {
  let last = -1;
  const steps = points.map(([at]) => (last = at > last ? at : last + 1e-7));
  return { steps, values: points.map(([, value]) => value) };
}

/** @param {Record<string, any>} of */
function pairs(of) {
  const known = Object.entries(of).filter(([, value]) => value !== null && value !== undefined && value !== "");
  if (known.length === 0) return h("p", { class: "quiet" }, "Nothing is kept.");
  return h("dl", null, known.map(([name, value]) => [h("dt", null, name), h("dd", null, shown(value))]));
}

/**
 * @param {Record<string, any>} of
 * @param {string} [before]
 * @returns {Record<string, any>}
 */
function flat(of, before = "") {
  return Object.assign({}, ...Object.entries(of).map(([name, value]) =>
    value !== null && typeof value === "object" && !Array.isArray(value) ? flat(value, `${before}${name} `) : { [before + name]: value }));
}

/** @param {string} experiment @param {string} run */
export const runHref = (experiment, run) => write({ page: "run", experiment, run });
