"use strict";
// An enhancement only: every table is whole and in a sensible order without it.
(() => {
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    return cell ? cell.dataset.order ?? cell.textContent.trim() : "";
  };
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const x = Number(a), y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
  const sortBy = (table, column, down) => {
    for (const body of table.tBodies) {
      const rows = [...body.rows];
      rows.sort((one, other) => {
        const a = keyOf(one, column), b = keyOf(other, column);
        return a === "" || b === "" ? compare(a, b) : (down ? -1 : 1) * compare(a, b);
      });
      body.append(...rows);
    }
  };
  const makeSortable = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.hasAttribute("data-fixed")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sortBy(table, column, down);
      });
    });
  };
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  const box = document.getElementById("filter");
  const bar = document.getElementById("filter-bar");
  const shown = document.getElementById("filter-shown");
  bar.hidden = false;
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...document.querySelectorAll("tr[data-name]")];
    rows.forEach((row) => {
      row.hidden = words.length > 0 && !words.some((word) => row.dataset.name.toLowerCase().includes(word));
    });
    shown.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} lines shown; words and intervals are unchanged` : "";
  });
})();
