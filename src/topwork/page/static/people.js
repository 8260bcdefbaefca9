// The answer of a model that tells who it is: whom it is like, how sure that is, and where faces were found.

import { find, make, name } from "./dom.js";
import { rate, t } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const [COMPARED, OTHER] = ["#3ddc97", "#ffffff"];

/** From which similarity on somebody is known: the user's, or the model's own. */
export const leastOf = (model) =>
  find("threshold").dataset.own === "yes" ? model.threshold : Number(find("threshold").value);

/** Whom the answer names; null where that is nobody. */
export function knownAs(answer, model) {
  const best = answer?.matches?.[0];
  return best && best.similarity >= leastOf(model) ? best : null;
}

/** A similarity as it is read: three digits. */
export const similar = (value) => value.toFixed(3);

/** What a threshold costs, as it was measured on people whom the model never saw; null where nobody measured it. */
export function costOf(model, least) {
  if (!model.costs.length) return null;
  const [, falseAccept, trueAccept] = model.costs.find(([from]) => from >= least) ?? [1, 0, 0];
  return { accepts: rate(falseAccept), rejects: rate(1 - trueAccept) };
}

/** What is said of an answer, under a title. */
export function saidOfPerson(answer, model, title) {
  const known = knownAs(answer, model);
  return [
    known
      ? title(name(known.name), " ", make("span", { className: "sure" }, similar(known.similarity)))
      : title(t("nobody")),
    ...(answer.remarks ?? []).map((each) => make("p", { className: "notice warning" }, each)),
    answer.matches.length ? matches(answer.matches, model) : make("p", { className: "muted" }, t("gallery_empty")),
  ];
}

const matches = (found, model) =>
  make(
    "div",
    { className: "bars" },
    make("h3", {}, t("most_like")),
    make("ol", {}, ...found.map((each) => match(each, leastOf(model)))),
  );

const match = ({ name: called, similarity }, least) =>
  make(
    "li",
    {
      className: similarity >= least ? "chosen" : "",
      style: { "--share": `${100 * Math.min(Math.max(similarity, 0), 1)}%` },
    },
    name(called),
    make("span", { className: "number" }, similar(similarity)),
  );

/** Boxes of what was found, the compared one in colour; the remarks say the same to whoever does not see them. */
export function findsOver({ found, width, height }) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  drawing.setAttribute("preserveAspectRatio", "none");
  const each = ({ bbox }, place) => [box(bbox, "around"), box(bbox, "box", place ? OTHER : COMPARED)];
  drawing.append(...found.flatMap(each));
  return make("div", { className: "boxes", aria: { hidden: true } }, drawing);
}

function box([x, y, width, height], kind, colour = "") {
  const found = document.createElementNS(SVG, "rect");
  for (const [key, value] of Object.entries({ x, y, width, height, class: kind })) found.setAttribute(key, value);
  found.style.stroke = colour;
  return found;
}
