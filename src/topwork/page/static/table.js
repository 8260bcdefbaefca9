// Several answers as a table; each row shows its own answer on request.

import { find, make, name } from "./dom.js";
import { listed } from "./masks.js";
import { counted, told } from "./objects.js";
import { knownAs, similar } from "./people.js";
import { percent, t } from "./words.js";

const HEADS = { objects: ["found", "highest_score"], identities: ["class", "similarity", "remarks"], masks: ["shares"] };

const rows = new Map(); // of the items that the table shows
let model = null; // that answered

/**
 * Fill the table.
 * @param {Object[]} items With `name`, `answer`, `error`, `url` or `text`.
 * @param {Object} chosen The one that is shown whole.
 * @param {function(Object)} choose Called with the one that is to be.
 * @param {Object} facts Of the model.
 */
export function fillTable(items, chosen, choose, facts) {
  const text = items.some((item) => item.text !== undefined);
  const said = HEADS[facts.answer] ?? ["class", "probability", "remarks"];
  const heads = [text ? "text" : "file", ...said];
  model = facts;
  rows.clear();
  for (const item of items) rows.set(item, make("tr", {}, rowHead(item, choose)));
  for (const item of items) refresh(item, chosen);
  find("table").replaceChildren(
    make("thead", {}, make("tr", {}, ...heads.map((key) => make("th", { scope: "col", data: { t: key } }, t(key))))),
    make("tbody", {}, ...rows.values()),
  );
}

/** Show what is known of an item now; its button, which may have the focus, stays. */
export function refresh(item, chosen) {
  const row = rows.get(item);
  if (!row) return;
  const button = row.querySelector("button");
  if (chosen) row.classList.toggle("chosen", item === chosen);
  button.setAttribute("aria-current", row.classList.contains("chosen"));
  while (row.children.length > 1) row.lastElementChild.remove();
  row.append(...cells(item));
}

function rowHead(item, choose) {
  const picture = item.url && make("img", { src: item.url, alt: "", loading: "lazy", on: { error: gone } });
  const button = make(
    "button",
    { type: "button", className: "link", on: { click: () => choose(item) } },
    name(shown(item)),
  );
  return make("th", { scope: "row" }, make("span", { className: "named" }, picture, button));
}

function cells({ answer, error }) {
  if (error || answer?.error) {
    const told = (error?.said ?? [answer.error]).join(" ");
    return [make("td", { colSpan: 3, className: "words fault" }, `${t("failed")}: ${told}`)];
  }
  if (model.answer === "objects") return answer ? objectCells(told(answer, model)) : [waiting(), make("td", {})];
  if (model.answer === "masks") return answer ? [make("td", { className: "words" }, ...listed(answer, model))] : [waiting()];
  if (model.answer === "identities") return answer ? personCells(answer) : [waiting(), make("td", {}), make("td", {})];
  const sure = answer ? percent(answer.probability) : "";
  return [answerCell(answer), make("td", {}, sure), make("td", { className: "words" }, ...remarks(answer))];
}

const waiting = () => make("td", { className: "words muted" }, "…");

const objectCells = (objects) => [
  make("td", { className: "words" }, ...(objects.length ? counted(objects) : [t("no_objects")])),
  make("td", {}, objects.length ? percent(objects[0].score) : ""),
];

function personCells(answer) {
  const known = knownAs(answer, model);
  const best = answer.matches[0];
  return [
    make("td", { className: known ? "words" : "words muted" }, known ? name(known.name) : t("nobody")),
    make("td", {}, best ? similar(best.similarity) : ""),
    make("td", { className: "words" }, (answer.remarks ?? []).join(" · ")),
  ];
}

function answerCell(answer) {
  if (!answer) return waiting();
  if (answer.answered === false) return make("td", { className: "words muted" }, `? (`, name(answer.label), ")");
  const labels = answer.labels ?? [answer.label];
  return make("td", { className: "words" }, ...labels.flatMap((each, place) => [place ? ", " : "", name(each)]));
}

/** What makes an answer worth a second look. */
function remarks(answer) {
  const badge = (kind, key, fields) => make("span", { className: `badge ${kind}` }, t(key, fields));
  return [
    answer?.unfamiliar && badge("warning", "remark_unfamiliar"),
    answer?.answered === false && badge("note", "remark_unsure"),
    answer?.critical?.flagged && badge("blocks", "remark_flagged", { name: answer.critical.class }),
  ];
}

const shown = ({ text, name: called }) =>
  text === undefined ? called : text.length > 80 ? `${text.slice(0, 79)}…` : text;

function gone({ target }) {
  target.replaceWith(make("span", { className: "blank" }));
}
