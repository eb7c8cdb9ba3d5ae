// @ts-check
/** The ranked table: thousands of rows, of which those in sight are there; sorted by a click, walked by the keyboard. */

import { fill, h } from "./dom.js";

const HEIGHT = 28;
/** Rows above and below those in sight. */
const SPARE = 12;

/** @typedef {{name: string, title?: string, cell: (row: any) => any, number?: boolean}} Column */

/**
 * @param {HTMLElement} place
 * @param {{onSort: (name: string) => void, onOpen: (row: any) => void, onSelect: (key: number, on: boolean) => void, onHover?: (key: number | null) => void, label: string}} handlers
 */
export function table(place, { onSort, onOpen, onSelect, onHover, label }) {
  /** @type {any[]} */
  let rows = [];
  /** @type {Column[]} */
  let columns = [];
  /** @type {Set<number>} */
  let selected = new Set();
  let sort = "";
  let descending = false;
  const head = h("thead");
  const body = h("tbody");
  const element = h("table", { class: "runs", "aria-label": label }, head, body);
  const scroll = h("div", { class: "scroll", tabindex: "-1" }, element);
  place.replaceChildren(scroll);
  let frame = 0;
  scroll.addEventListener("scroll", () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(draw);
  });
  new ResizeObserver(() => draw()).observe(scroll);

  function drawHead() {
    const cells = columns.map((column) => {
      const active = column.name === sort;
      return h(
        "th",
        { scope: "col", class: column.number ? "number" : null, "aria-sort": active ? (descending ? "descending" : "ascending") : "none" },
        h("button", { type: "button", title: column.title ?? `sort by ${column.name}`, onclick: () => onSort(column.name) }, column.name, active ? (descending ? " ▼" : " ▲") : ""),
      );
    });
    fill(head, h("tr", null, h("th", { scope: "col" }, h("span", { class: "hidden" }, "select")), cells));
  }

  function draw() {
    const height = scroll.clientHeight || 400;
    const first = Math.max(0, Math.floor(scroll.scrollTop / HEIGHT) - SPARE);
    const last = Math.min(rows.length, first + Math.ceil(height / HEIGHT) + 2 * SPARE);
    const focused = /** @type {HTMLElement | null} */ (document.activeElement?.closest?.("tr[data-key]"))?.dataset.key;
    const spacer = (/** @type {number} */ count) => (count > 0 ? h("tr", { class: "spacer", "aria-hidden": "true" }, h("td", { colspan: columns.length + 1, style: { height: `${count * HEIGHT}px` } })) : null);
    element.setAttribute("aria-rowcount", String(rows.length + 1));
    fill(body, spacer(first), rows.slice(first, last).map((row, place) => line(row, first + place)), spacer(rows.length - last));
    if (focused) /** @type {HTMLElement | null} */ (body.querySelector(`tr[data-key="${focused}"]`))?.focus({ preventScroll: true });
  }

  /**
   * @param {any} row
   * @param {number} place
   */
  function line(row, place) {
    return h(
      "tr",
      {
        tabindex: "0",
        "data-key": row.key,
        "aria-rowindex": place + 2,
        class: `${row.state}${selected.has(row.key) ? " selected" : ""}`,
        onkeydown: (/** @type {KeyboardEvent} */ event) => onKey(event, row),
        onmouseenter: () => onHover?.(row.key),
        onmouseleave: () => onHover?.(null),
      },
      h("td", null, h("input", { type: "checkbox", checked: selected.has(row.key), "aria-label": `select ${row.run}`, tabindex: "-1", onchange: (/** @type {any} */ event) => onSelect(row.key, event.target.checked) })),
      columns.map((column) => h("td", { class: column.number ? "number" : null }, column.cell(row))),
    );
  }

  /**
   * @param {KeyboardEvent} event
   * @param {any} row
   */
  function onKey(event, row) {
    if (event.target !== event.currentTarget) return;
    const place = rows.findIndex((known) => known.key === row.key);
    const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: rows.length - 1, PageDown: place + 10, PageUp: place - 10 }[event.key];
    if (event.key === "Enter") onOpen(row);
    else if (event.key === " ") onSelect(row.key, !selected.has(row.key));
    else if (to === undefined) return;
    event.preventDefault();
    if (to === undefined) return;
    const next = Math.min(Math.max(to, 0), rows.length - 1);
    const [top, height] = [next * HEIGHT, scroll.clientHeight - 2 * HEIGHT];
    if (top < scroll.scrollTop) scroll.scrollTop = top;
    else if (top > scroll.scrollTop + height) scroll.scrollTop = top - height;
    draw();
    /** @type {HTMLElement | null} */ (body.querySelector(`tr[data-key="${rows[next].key}"]`))?.focus({ preventScroll: true });
  }

  return {
    /** @param {{rows: any[], columns: Column[], selected: Set<number>, sort: string, descending: boolean}} now */
    update(now) {
      ({ rows, columns, selected, sort, descending } = now);
      drawHead();
      draw();
    },
  };
}
