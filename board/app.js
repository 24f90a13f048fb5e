"use strict";
// An enhancement only: every table is whole and in a sensible order without it.
(() => {
  // A cell of values sorts by the number that it shows, the note behind it apart; one without is a blank.
  const shownNumber = (cell) => {
    const number = parseFloat((cell.firstChild?.data ?? "").replace("−", "-").replace("∞", "Infinity"));
    return Number.isNaN(number) ? "" : String(number);
  };
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.order !== undefined) return cell.dataset.order;
    if (cell.tagName === "TD" && cell.closest("table.values")) return shownNumber(cell);
    const text = cell.textContent.trim();
    return text === "–" || text === "not run" ? "" : text;
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
  const sortAgain = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    const column = heads.findIndex((head) => head.hasAttribute("aria-sort"));
    if (column >= 0) sortBy(table, column, heads[column].getAttribute("aria-sort") === "descending");
  };
  const makeSortable = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.hasAttribute("data-fixed")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...[...head.childNodes].filter((node) => node.tagName !== "SUP"));
      head.prepend(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sortBy(table, column, down);
      });
    });
  };
  // A line is about the contestant at its head.
  const furnish = (root) => {
    root.querySelectorAll("table.sortable tbody tr").forEach((row) => {
      row.dataset.name = row.cells[0].textContent.trim();
    });
    root.querySelectorAll("table.sortable").forEach(makeSortable);
  };
  furnish(document);

  // A large page left most of its tables as text. Each is made when somebody asks for it, else a few at a time.
  // Tables out of sight are not laid out, and one that is not as high as it was thought moves those below it
  // when it comes into sight: so the first of a kind is measured, and the others are thought to be like it.
  const late = new Set(document.querySelectorAll(".late:has(> noscript)"));
  const lineHeights = new Map();
  const heightOf = (box) => {
    const kind = box.firstElementChild.className, lines = box.querySelectorAll("tr").length || 1;
    if (!lineHeights.has(kind)) {
      box.style.contentVisibility = "visible";
      lineHeights.set(kind, box.offsetHeight / lines);
      box.style.contentVisibility = "";
    }
    return lines * lineHeights.get(kind);
  };
  const bring = (box) => {
    late.delete(box);
    box.innerHTML = box.firstChild.textContent;
    furnish(box);
    box.style.containIntrinsicBlockSize = `auto ${heightOf(box)}px`;
  };
  const bringAll = () => late.forEach(bring);
  const bringTarget = (hash) => {
    if (!hash) return;
    const box = [...late].find((one) => one.textContent.includes(`id="${hash.slice(1)}"`));
    if (!box) return;
    bring(box);
    document.getElementById(hash.slice(1))?.scrollIntoView();
  };
  const bringInTurn = () => {
    const until = performance.now() + 100;
    for (const box of late) {
      if (performance.now() > until) break;
      bring(box);
    }
    if (late.size) setTimeout(bringInTurn, 10);
  };
  addEventListener("load", () => setTimeout(bringInTurn, 10));
  addEventListener("beforeprint", bringAll);
  // The browser's own search finds what is a table by then, not what is still text.
  addEventListener("keydown", (event) => {
    if (event.key === "F3" || ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "f")) bringAll();
  });
  bringTarget(location.hash);

  const box = document.getElementById("filter");
  const bar = document.getElementById("filter-bar");
  const shown = document.getElementById("filter-shown");
  bar.hidden = false;
  box.addEventListener("input", () => {
    bringAll();
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...document.querySelectorAll("tr[data-name]")];
    rows.forEach((row) => {
      row.hidden = words.length > 0 && !words.some((word) => row.dataset.name.toLowerCase().includes(word));
    });
    shown.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} lines shown; words and intervals are unchanged` : "";
  });

  const weight = document.getElementById("weight");
  if (weight) {
    document.getElementById("weight-bar").hidden = false;
    weight.addEventListener("input", () => {
      bringAll();
      const bio = Number(weight.value), rest = 1 - bio;
      const say = (selector, value) =>
        document.querySelectorAll(selector).forEach((node) => { node.textContent = value.toFixed(2); });
      say('output[for="weight"], .weight', bio);
      say(".rest", rest);
      document.querySelectorAll("td[data-parts]").forEach((cell) => {
        const [own, batch] = cell.dataset.parts.split(" ").map(Number);
        cell.textContent = (bio * own + rest * batch).toFixed(3).replace("-", "−");
      });
      document.querySelectorAll('table[id^="explorer-"]').forEach(sortAgain);
    });
  }

  // Where a line comes from: card, data set, runs and commands, all of which stand elsewhere on the page.
  const make = (tag, text = "", parts = []) => {
    const node = document.createElement(tag);
    node.textContent = text;
    node.append(...parts);
    return node;
  };
  const pairs = (list) => make("dl", "", list.flatMap(([key, text]) => [make("dt", key), make("dd", text)]));
  const runRows = (model, dataset, access) => {
    bringTarget("#runs");
    const fits = access === "transductive" ? ["all", "none"] : ["train", "none"];
    const rows = [...document.querySelectorAll("#runs tbody tr")];
    return rows.filter((row) => row.dataset.name === model && row.cells[1].textContent === dataset
      && fits.includes(row.cells[2].textContent));
  };
  const runFacts = (row) => {
    const heads = [...document.getElementById("runs").tHead.rows[0].cells].map((head) => head.textContent);
    return heads.slice(2).map((head, place) => [head, row.cells[place + 2].textContent.trim()]);
  };
  const commands = (model, dataset, fit) => {
    const words = { MODEL: model, DATASET: dataset, FIT: fit };
    return document.getElementById("reproduce").textContent.replace(/MODEL|DATASET|FIT/g, (word) => words[word]);
  };
  const dataFacts = (dataset) => {
    const list = document.getElementById(`dataset-${dataset}`)?.nextElementSibling;
    const wanted = ["title", "sha256", "cells.h5ad", "split.parquet", "ontology version", "n cells", "label source"];
    return [...(list?.querySelectorAll("dt") ?? [])].filter((term) => wanted.includes(term.textContent))
      .map((term) => [term.textContent, term.nextElementSibling.textContent]);
  };
  const dialog = document.createElement("dialog");
  document.body.append(dialog);
  const showOrigin = (link) => {
    const { dataset, access } = link.closest("table").dataset;
    const model = link.closest("tr").dataset.name;
    const title = `${model} on ${dataset}, ${access}`;
    dialog.setAttribute("aria-label", title);
    const close = make("button", "Close");
    close.type = "button";
    close.addEventListener("click", () => dialog.close());
    const runs = runRows(model, dataset, access);
    const card = document.getElementById(link.hash.slice(1))?.closest("article")?.querySelector("dl");
    dialog.replaceChildren(
      make("h2", title), make("h3", "Runs"), ...runs.map((row) => pairs(runFacts(row))),
      make("p", runs.length ? "" : "No run of it worked here; coverage says why."),
      make("h3", "Reproduce these numbers"),
      ...runs.map((row) => make("pre", commands(model, dataset, row.cells[2].textContent))),
      make("h3", "Data set"), pairs(dataFacts(dataset)),
      make("h3", "Contestant"), card ? card.cloneNode(true) : "",
      make("h3", "The page"), document.querySelector("#provenance + dl").cloneNode(true), close);
    dialog.showModal();
  };
  document.addEventListener("click", (event) => {
    bringTarget(event.target.closest?.("a[href^='#']")?.hash ?? "");
    const link = event.target.closest?.("table[data-dataset] th a");
    if (!link) return;
    event.preventDefault();
    showOrigin(link);
  });
})();
