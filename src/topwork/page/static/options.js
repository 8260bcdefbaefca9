// What a model can be asked for, and what the user asks.

import { find, make, name } from "./dom.js";
import { level, percent, t } from "./words.js";

const LEVELS = { accuracy: [0.9, 0.95, 0.99], coverage: [0.9, 0.95, 0.99] };
const TOP = 5; // classes of each of several answers
const MOST = 1000; // of one alone
const NEAREST = 6;

/** Say which model is tried; nothing where the page does not know it yet. */
export function showTitle(called) {
  if (!called) return;
  document.title = t("title", { name: called });
  const [before, after] = t("title", { name: "\0" }).split("\0");
  find("title").replaceChildren(before, name(called), after);
}

/** Show which model it is, and what goes into it. */
export function showFrame(model, models) {
  showTitle(model.name);
  find("facts").textContent = facts(model).join(" · ");
  find("models").hidden = models.length < 2;
  find("model").replaceChildren(
    ...models.map((each, place) => make("option", { value: place, selected: each === model }, each.name)),
  );
  const isText = model.kind === "text";
  find("zone").hidden = isText;
  find("writing").hidden = !isText;
  find("input-title").textContent = t(isText ? "input_text" : "input_image");
  find("nearest-said").textContent = t(isText ? "nearest_text" : "nearest_image");
  fillOptions(model);
}

function facts({ kind, answer, classes, accuracy, ap50 }) {
  if (answer === "objects") {
    const shares = ap50 && Object.fromEntries(Object.entries(ap50).map(([each, value]) => [each, percent(value)]));
    const told = t(classes.length === 1 ? "facts_one_object" : "facts_objects", { classes: classes.length });
    return [told, ...(ap50 ? [t("facts_boxes", shares)] : [])];
  }
  const told = [t(kind === "text" ? "facts_text" : "facts_image", { classes: classes.length })];
  if (!accuracy) return told;
  const [value, low, high] = [accuracy.value, accuracy.low, accuracy.high].map(percent);
  return [...told, t("facts_accuracy", { value, low, high })];
}

/** Offer what the model can do; what was chosen stays chosen. */
export function fillOptions(model) {
  const select = find("certainty");
  const before = select.value;
  const promised = { ...LEVELS, ...model.levels };
  const offer = (kind, key) =>
    promised[kind].map((each) => make("option", { value: `${kind}=${each}` }, t(key, { level: level(each) })));
  const options = [
    make("option", { value: "" }, t("always")),
    ...offer("accuracy", "abstain"),
    ...offer("coverage", "several_classes"),
  ];
  select.replaceChildren(...options);
  if (options.some(({ value }) => value === before)) select.value = before;
  const objects = model.answer === "objects";
  if (objects) useThreshold(model, find("threshold").dataset.own === "no");
  const shown = { "threshold-of": objects, "certainty-of": model.selective, "evidence-of": model.maps, "nearest-of": model.nearest };
  for (const [id, is] of Object.entries(shown)) find(id).hidden = !is;
  find("options").hidden = !Object.values(shown).some(Boolean);
}

/** Show objects from the score on that the slider has, or from the one that each class has. */
export function useThreshold(model, set) {
  const slider = find("threshold");
  const own = Object.values(model.thresholds);
  slider.dataset.own = set ? "no" : "yes";
  if (!set) slider.value = own.reduce((sum, each) => sum + each, 0) / own.length;
  const alike = own.every((each) => each === own[0]);
  find("threshold-said").textContent = set || alike ? percent(set ? slider.value : own[0]) : t("threshold_of_each");
  find("threshold-own").hidden = !set;
}

/** What is asked of a model, for one input alone or for each of several. */
export function optionsOf(model, several) {
  const evidence = !several && model.maps && find("evidence").checked ? { map: true } : {};
  if (model.answer === "objects") return { threshold: model.lowest, ...evidence }; // what is shown is chosen here
  const asked = { ...evidence, top: several ? TOP : Math.min(model.classes.length, MOST) };
  const [kind, share] = find("certainty").value.split("=");
  if (model.selective && share) asked[kind] = share;
  if (!several && model.nearest && find("nearest").checked) asked.nearest = NEAREST;
  return asked;
}
