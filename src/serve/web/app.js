// @ts-check
/** The shell of the pages: what the address asks for is shown; the token, notices and questions are here. */

import { read, write } from "./address.js";
import { ApiError, enter, get, post, token } from "./api.js";
import { comparePage } from "./compare.js";
import { clean, fill, h } from "./dom.js";
import { experimentPage } from "./experiment.js";
import { counted, when } from "./format.js";
import { runPage } from "./run.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const crumbs = /** @type {HTMLElement} */ (document.getElementById("crumbs"));
const live = /** @type {HTMLElement} */ (document.getElementById("live"));
const notice = /** @type {HTMLElement} */ (document.getElementById("notice"));
const unlock = /** @type {HTMLElement} */ (document.getElementById("unlock"));

/** @type {any} */
let page = null;
let shownPlace = "";
let turn = 0;

const shell = {
  /** @param {string} hash */
  go(hash) {
    location.hash = hash;
  },
  /** @param {string} hash */
  replace(hash) {
    history.replaceState(null, "", `${location.pathname}${location.search}${hash}`);
  },
  /** @param {string} state */
  live(state) {
    live.textContent = state === "live" ? "live" : state === "away" ? "connection lost, trying again…" : "";
    live.className = state;
  },
  /** @param {any} error */
  trouble(error) {
    if (error instanceof ApiError && error.status === 401) {
      askForToken();
      return;
    }
    tell(error.message);
  },
  /**
   * Changes something; whether it was done.
   * @param {any} wish
   */
  async change(wish) {
    if (!token() && !(await askForToken())) return false;
    try {
      const answer = await post("api/change", wish);
      const refused = answer.refused.map((/** @type {any} */ one) => `${one.run ?? ""}: ${one.reason}`);
      const done = answer.changed.map((/** @type {any} */ one) => `${one.run} is ${one.state}`);
      tell([...done, ...refused, answer.text].filter(Boolean).join("; ") || "done");
      return refused.length === 0;
    } catch (error) {
      shell.trouble(error);
      return false;
    }
  },
  ask,
};

/** @param {string} text */
function tell(text) {
  fill(notice, h("p", null, text), h("button", { type: "button", "aria-label": "dismiss", onclick: () => fill(notice) }, "✕"));
}

/**
 * Asks a line of text; null where nobody answers.
 * @param {string} question
 * @param {string} value
 * @returns {Promise<string | null>}
 */
function ask(question, value) {
  return new Promise((resolve) => {
    const input = h("input", { type: "text", value, id: "answer", autocomplete: "off" });
    const dialog = h("dialog", null, h("form", { method: "dialog" }, h("label", { for: "answer" }, question), input, h("div", { class: "controls" }, h("button", { value: "ok" }, "OK"), h("button", { value: "", type: "button", onclick: () => dialog.close("") }, "Cancel"))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "ok" && input.value.trim() ? input.value.trim() : null);
    });
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  });
}

/** Asks for the token; whether one is there then. */
async function askForToken() {
  const text = await ask("The token that was printed when the server was started", "");
  if (!text) return false;
  try {
    await enter(text);
  } catch (error) {
    tell(/** @type {Error} */ (error).message);
    return false;
  }
  unlock.hidden = true;
  if (!page) show();
  return true;
}

/** @param {HTMLElement} home */
async function listPage(home) {
  const { experiments } = await get("api/experiments");
  const states = ["completed", "running", "pending", "failed", "cancelled"];
  fill(
    home,
    h("h1", null, "Experiments"),
    experiments.length === 0 ? h("p", { class: "quiet" }, "Nothing was run here yet.") :
      h("div", { class: "wide" }, h("table", { class: "plain" },
        h("thead", null, h("tr", null, ["experiment", "", "runs", ...states, "created"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", null, experiments.map((/** @type {any} */ one) => h("tr", null,
          h("td", null, h("a", { href: write({ page: "experiment", experiment: one.experiment }) }, one.experiment)),
          h("td", null, one.live ? h("span", { class: "tag" }, "live") : ""),
          h("td", { class: "number" }, one.runs), states.map((state) => h("td", { class: "number" }, one[state])),
          h("td", null, when(one.created))))))),
  );
  document.title = `Gridboard: ${counted(experiments.length, "experiment")}`;
  if (experiments.length === 1) shell.replace(write({ page: "experiment", experiment: experiments[0].experiment }));
  if (experiments.length === 1) return show();
  const timer = setInterval(() => {
    if (document.visibilityState === "visible") listPage(home).then((fresh) => fresh?.end(), () => {});
  }, 5000);
  return { end: () => clearInterval(timer) };
}

async function show() {
  const { place, view } = read(location.hash);
  const now = write(place);
  if (page?.view && now === shownPlace) {
    page.view(view);
    return;
  }
  shownPlace = now;
  turn += 1;
  const mine = turn;
  page?.end?.();
  page = null;
  shell.live("");
  const trail = [h("a", { href: "#/" }, "Gridboard")];
  if (place.page !== "all") trail.push(h("a", { href: write({ page: "experiment", experiment: place.experiment }) }, place.experiment));
  if (place.page === "run") trail.push(h("span", { "aria-current": "page" }, place.run));
  if (place.page === "compare") trail.push(h("span", { "aria-current": "page" }, "compare"));
  fill(crumbs, h("ol", null, trail.map((one) => h("li", null, one))));
  document.title = clean(place.page === "all" ? "Gridboard" : `${place.page === "run" ? `${place.run} · ` : ""}${place.experiment} · Gridboard`);
  const home = h("div");
  fill(main, home);
  try {
    const made =
      place.page === "experiment" ? await experimentPage(home, place.experiment, view, shell)
        : place.page === "run" ? await runPage(home, place.experiment, place.run, shell)
          : place.page === "compare" ? await comparePage(home, place.experiment, place.keys)
            : await listPage(home);
    if (mine === turn) page = made ?? page;
    else made?.end?.();
  } catch (error) {
    if (mine !== turn) return;
    fill(home, h("p", { class: "problem" }, /** @type {Error} */ (error).message), h("p", null, h("a", { href: "#/" }, "All experiments")));
    shell.trouble(error);
  }
}

async function begin() {
  const handed = /^#token=([0-9a-f]+)$/.exec(location.hash);
  if (handed) {
    // Not to be left in the address, which is sent to others.
    shell.replace("#/");
    await enter(handed[1]).catch((error) => tell(error.message));
  }
  unlock.hidden = Boolean(token());
  unlock.addEventListener("click", () => askForToken());
  window.addEventListener("hashchange", () => show());
  await show();
}

begin();
