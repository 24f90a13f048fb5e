// What is wrong with this page for a reader with a keyboard, a screen reader or weak eyes: a list of sentences.
const wrong = [];
const told = (node) => node.outerHTML.slice(0, 90);
const all = (selector) => [...document.querySelectorAll(selector)];
const shown = (node) => node.getClientRects().length > 0 && getComputedStyle(node).visibility !== "hidden";
const named = (node) => Boolean(
  node.getAttribute("aria-label")?.trim() || node.textContent.trim() || node.labels?.[0]?.textContent.trim()
  || document.getElementById(node.getAttribute("aria-labelledby"))?.textContent.trim());
const want = (holds, what, node) => { if (!holds) wrong.push(`${what}: ${told(node)}`); };

want(document.documentElement.lang, "no language", document.documentElement);
want(document.title.trim(), "no title", document.documentElement);
for (const part of ["main", "header", "nav", "h1"]) want(all(part).length === 1, `not one ${part}`, document.body);
for (const id of all("[id]").map((node) => node.id))
  want(document.querySelectorAll(`[id="${CSS.escape(id)}"]`).length === 1, `id ${id} twice`, document.body);
for (const node of all("[aria-labelledby]"))
  want(document.getElementById(node.getAttribute("aria-labelledby")), "a label that is not there", node);

for (const table of all("table")) {
  want(table.caption?.textContent.trim(), "table without caption", table);
  for (const head of table.querySelectorAll("th")) {
    want(["col", "row"].includes(head.scope), "th without scope", head);
    want(head.textContent.trim(), "empty th", head);
  }
  const width = table.tHead.rows[0].cells.length;
  for (const row of table.rows)
    want([...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0) === width, "row of another width", row);
}
for (const node of all("a[href], button, input, select, summary, [tabindex]")) want(named(node), "no name", node);
for (const node of all("svg"))
  want(node.getAttribute("aria-hidden") === "true" || (node.getAttribute("role") === "img" && named(node)),
    "svg neither hidden nor named", node);
for (const node of all("[aria-hidden] a, [aria-hidden] button, [aria-hidden] [tabindex]"))
  wrong.push(`focus inside what is hidden: ${told(node)}`);
for (const node of all("*").filter((n) => n.scrollWidth > n.clientWidth + 1 && getComputedStyle(n).overflowX === "auto"))
  want(node.tabIndex >= 0, "scrolls, but not with keys", node);

const rgb = (text) => {
  const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
  return { r, g, b, a };
};
const light = ({ r, g, b }) => {
  const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const ground = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const colour = rgb(getComputedStyle(at).backgroundColor);
    if (colour.a === 1) return colour;
    want(colour.a === 0, "a ground that is half seen through", at);
  }
  return { r: 255, g: 255, b: 255 };
};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const seen = new Set();
while (texts.nextNode()) {
  const node = texts.currentNode.parentElement;
  if (seen.has(node) || !texts.currentNode.data.trim() || !shown(node)) continue;
  seen.add(node);
  const style = getComputedStyle(node);
  const ink = rgb(node.closest("svg") ? style.fill : style.color);
  const [dark, bright] = [light(ink), light(ground(node))].sort((a, b) => a - b);
  const contrast = (bright + 0.05) / (dark + 0.05);
  want(contrast >= 4.5, `contrast ${contrast.toFixed(2)}`, node);
  want(parseFloat(style.fontSize) >= 10 || matchMedia("print").matches, "text too small", node);
}
if (!seen.size) wrong.push("no text was looked at");
return wrong;
