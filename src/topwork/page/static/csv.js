// Answers as a table that a spreadsheet opens: no cell of it is a formula, whatever a file is called.

import { find } from "./dom.js";
import { classesOf as sharesOf } from "./masks.js";
import { told } from "./objects.js";
import { knownAs, leastOf } from "./people.js";
import { t } from "./words.js";

const COLUMNS = ["source", "text", "label", "probability", "unfamiliar", "answered", "labels", "critical", "error"];
const NUMBER = /^[+-]?[0-9]+(\.[0-9]+)?$/; // harmless: a label such as -1 stays what it is
const FORMULA = /^[\s'"]*[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/; // wide forms count too: spreadsheets of East Asia read them

/** One cell. What a spreadsheet would take for a formula gets an apostrophe in front, which makes a text of it. */
export function cell(value) {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") return String(value);
  const text = FORMULA.test(value) && !NUMBER.test(value) ? `'${value}` : value;
  return /[",;\r\n\t]|^'/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Items with their answers as CSV. */
export const csvOf = (items, model) => (WAYS[model.answer] ?? classesOf)(items, model);

function classesOf(items) {
  const columns = COLUMNS.filter((column) => column !== "text" || items.some(({ text }) => text !== undefined));
  const rows = items.map(({ name, text, answer, error }) => {
    const labels = answer?.labels?.join(" | ");
    const critical = answer?.critical?.flagged;
    const found = { ...answer, source: name, text, labels, critical, error: error?.said.join(" ") ?? answer?.error };
    return columns.map((column) => found[column]);
  });
  return tableOf(columns, rows);
}

/** A row an object, in the columns in which `topwork fit` reads boxes; an image without any has one all the same. */
function objectsOf(items, model) {
  const columns = ["path", "label", "score", "xmin", "ymin", "xmax", "ymax", "error"];
  const rows = items.flatMap(({ name, answer, error }) => {
    const found = told(answer, model).map(({ category, score, bbox: [x, y, width, height] }) => {
      return [name, category, score, x, y, rounded(x + width), rounded(y + height), ""];
    });
    const why = error?.said.join(" ") ?? answer?.error;
    return found.length ? found : [[name, "", "", "", "", "", "", why]];
  });
  return tableOf(columns, rows);
}

function peopleOf(items, model) {
  const rows = items.map(({ name, answer, error }) => {
    const remarks = (answer?.remarks ?? []).join("; ");
    const why = error?.said.join(" ") ?? answer?.error;
    return [name, knownAs(answer, model)?.name, answer?.matches?.[0]?.similarity, leastOf(model), remarks, why];
  });
  return tableOf(["path", "name", "similarity", "threshold", "remarks", "error"], rows);
}

/** A row a class; objects are counted where they are told apart. */
function masksOf(items, model) {
  const rows = items.flatMap(({ name, answer, error }) => {
    const why = error?.said.join(" ") ?? answer?.error;
    if (why || !answer) return [[name, "", "", "", why]];
    return sharesOf(answer, model).map(({ category, share, count }) => [name, category, share, count, ""]);
  });
  return tableOf(["path", "label", "share", "objects", "error"], rows);
}

const WAYS = { objects: objectsOf, identities: peopleOf, masks: masksOf };

const rounded = (number) => Math.round(100 * number) / 100;

/** The mark in front tells a spreadsheet that it is UTF-8. */
const tableOf = (columns, rows) =>
  `\uFEFF${[columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;

/** Save items with their answers as a file. */
export function download(items, model) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csvOf(items, model)], { type: "text/csv;charset=utf-8" }));
  link.download = t("csv_name");
  find("several").append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
