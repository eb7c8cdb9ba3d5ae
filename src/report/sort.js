// Tables are sorted by a click on a heading, or with Enter on it. Without this the page is the same, in the order of ranks.
"use strict";
for (const box of document.querySelectorAll(".wide")) {
  // Only what scrolls is worth a stop of the tab key.
  if (box.scrollWidth <= box.clientWidth) box.removeAttribute("tabindex");
}
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  const key = (row, at) => {
    const text = row.cells[at].textContent.trim();
    const number = parseFloat(text.replace(/,/g, ""));
    return { text, number: Number.isNaN(number) ? null : number };
  };
  table.querySelectorAll("thead th").forEach((head, at) => {
    const sort = () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => ({ row, key: key(row, at) }));
      rows.sort((a, b) => {
        const [x, y] = [a.key, b.key];
        // What is no number comes last either way.
        if ((x.number === null) !== (y.number === null)) return x.number === null ? 1 : -1;
        const order = x.number === null ? x.text.localeCompare(y.text) : x.number - y.number;
        return up ? order : -order;
      });
      body.append(...rows.map((entry) => entry.row));
    };
    head.tabIndex = 0;
    head.classList.add("sortable");
    head.title = "sort";
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => {
      if (event.key === "Enter") sort();
    });
  });
}
