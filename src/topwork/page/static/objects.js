// The answer of a model that finds objects: boxes over the picture, and the same as a list.

import { find, make, name } from "./dom.js";
import { percent, t } from "./words.js";

const COLOURS = ["#ffb000", "#56b4e9", "#3ddc97", "#f0e442", "#ff7a59", "#e5a0d0", "#9fb8ff", "#ffffff"]; // on all, black
const DASHES = ["", "10 4", "3 3"]; // where there are more classes than colours
const SVG = "http://www.w3.org/2000/svg";

/** The objects that are told of: those from the score on that the user set, or that their class has. */
export function told(answer, model) {
  const own = find("threshold").dataset.own === "yes";
  const least = Number(find("threshold").value);
  return (answer?.objects ?? []).filter(({ category, score }) => score >= (own ? model.thresholds[category] : least));
}

/** How many of each class, the most frequent first: `2 cat, 1 dog`. */
export function counted(objects) {
  const counts = new Map();
  for (const { category } of objects) counts.set(category, (counts.get(category) ?? 0) + 1);
  const ranked = [...counts].sort((one, other) => other[1] - one[1]);
  return ranked.flatMap(([category, count], place) => [place ? ", " : "", `${count} `, name(category)]);
}

const headOf = (objects) =>
  objects.length === 1 ? t("object") : objects.length ? t("objects", { count: objects.length }) : t("no_objects");

/** What is said of an answer, under a title. */
export function saidOf(answer, model, title) {
  const objects = told(answer, model);
  const less = answer.objects.length - objects.length;
  return [
    title(headOf(objects)),
    objects.length > 0 && list(objects, model),
    less > 0 && make("p", { className: "muted" }, t("less_sure", { count: less })),
  ].filter(Boolean);
}

const list = (objects, model) =>
  make(
    "div", // of its own, since many objects are scrolled
    { className: "wide", tabIndex: 0, role: "group", aria: { labelledby: "answer-title" } },
    make("ol", { className: "objects" }, ...objects.map((each) => line(each, model))),
  );

function line({ category, score, bbox: [x, y, width, height] }, model) {
  const [left, top, wide, high] = [x, y, width, height].map(Math.round);
  const place = t("object_at", { left, top, width: wide, height: high });
  return make(
    "li",
    { style: { "--colour": colour(category, model) } },
    make("span", {}, name(category), make("span", { className: "muted" }, ` ${place}`)),
    make("span", { className: "number" }, percent(score)),
  );
}

const colour = (category, model) => COLOURS[model.classes.indexOf(category) % COLOURS.length];

/** Boxes with what they hold, over the picture; the list says the same to whoever does not see it. */
export function boxesOver(answer, model) {
  const objects = told(answer, model).reverse(); // the surest on top
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", `0 0 ${answer.width} ${answer.height}`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.append(...objects.flatMap((each) => [box(each, model, "around"), box(each, model, "box")]));
  const labels = objects.map((each) => label(each, answer, model));
  return make("div", { className: "boxes", aria: { hidden: true } }, drawing, ...labels);
}

function box({ category, bbox: [x, y, width, height] }, model, kind) {
  const found = document.createElementNS(SVG, "rect");
  const repeats = Math.floor(model.classes.indexOf(category) / COLOURS.length);
  const dash = DASHES[repeats % DASHES.length];
  for (const [key, value] of Object.entries({ x, y, width, height, class: kind })) found.setAttribute(key, value);
  if (kind === "box") found.style.stroke = colour(category, model);
  if (dash) found.style.strokeDasharray = dash;
  return found;
}

function label({ category, score, bbox: [x, y, wide] }, { width, height }, model) {
  const above = y > 0.08 * height;
  const toLeft = x + wide / 2 > width / 2; // or a long name would leave the picture
  const side = toLeft ? { right: share(width - x - wide, width) } : { left: share(x, width) };
  const style = { "--colour": colour(category, model), top: share(y, height), ...side };
  return make("span", { className: above ? "above" : "", style }, name(category), ` ${percent(score)}`);
}

const share = (part, whole) => `${(100 * part) / whole}%`;
