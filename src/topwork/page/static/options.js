// What a model can be asked for, and what the user asks.

import { find, make, name } from "./dom.js";
import { costOf, similar } from "./people.js";
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

function facts({ kind, answer, classes, background, accuracy, ap50, eer, iou }) {
  if (answer === "identities") {
    const shares = eer && Object.fromEntries(Object.entries(eer).map(([each, value]) => [each, percent(value)]));
    return [t("facts_people"), ...(eer ? [t("facts_eer", shares)] : [])];
  }
  if (answer === "masks") {
    const shares = iou && Object.fromEntries(Object.entries(iou).map(([each, value]) => [each, percent(value)]));
    const count = classes.length - Number(background);
    const told = t(count === 1 ? "facts_one_mask" : "facts_masks", { classes: count });
    return [told, ...(iou ? [t("facts_iou", shares)] : [])];
  }
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
  const slides = ["objects", "identities"].includes(model.answer);
  if (slides) offerThreshold(model);
  const shown = { "threshold-of": slides, "certainty-of": model.selective, "evidence-of": model.maps, "nearest-of": model.nearest };
  for (const [id, is] of Object.entries(shown)) find(id).hidden = !is;
  find("options").hidden = !Object.values(shown).some(Boolean);
}

function offerThreshold(model) {
  const [slider, label] = [find("threshold"), find("threshold-label")];
  const people = model.answer === "identities";
  if (slider.dataset.model !== model.name) slider.dataset.own = "yes";
  slider.dataset.model = model.name;
  const from = people ? Math.min(0, ...model.costs.map(([each]) => each)) : 0;
  Object.assign(slider, { min: Math.floor(10 * from) / 10, max: 1, step: people ? 0.001 : 0.01 });
  label.textContent = t((label.dataset.t = people ? "threshold_people" : "threshold"));
  useThreshold(model, slider.dataset.own === "no");
}

/** Show objects from the score on that the slider has, or from the one that each class has. */
export function useThreshold(model, set) {
  const slider = find("threshold");
  if (model.answer === "identities") return useSimilarity(model, set);
  const own = Object.values(model.thresholds);
  slider.dataset.own = set ? "no" : "yes";
  if (!set) slider.value = own.reduce((sum, each) => sum + each, 0) / own.length;
  const alike = own.every((each) => each === own[0]);
  find("threshold-said").textContent = set || alike ? percent(set ? slider.value : own[0]) : t("threshold_of_each");
  find("threshold-own").hidden = !set;
}

/** Somebody is known from the similarity on that the slider has, or from the model's own; and what that costs. */
function useSimilarity(model, set) {
  const slider = find("threshold");
  slider.dataset.own = set ? "no" : "yes";
  if (!set) slider.value = model.threshold;
  const least = set ? Number(slider.value) : model.threshold;
  const cost = costOf(model, least);
  const said = cost ? t("threshold_costs", { value: similar(least), ...cost }) : similar(least);
  find("threshold-said").textContent = said;
  slider.setAttribute("aria-valuetext", said);
  find("threshold-own").hidden = !set;
}

/** What is asked of a model, for one input alone or for each of several. */
export function optionsOf(model, several) {
  const evidence = !several && model.maps && find("evidence").checked ? { map: true } : {};
  if (model.answer === "objects") return { threshold: model.lowest, ...evidence }; // what is shown is chosen here
  if (model.answer === "identities") return { top: TOP };
  if (model.answer === "masks") return { mask: true }; // its file, to download
  const asked = { ...evidence, top: several ? TOP : Math.min(model.classes.length, MOST) };
  const [kind, share] = find("certainty").value.split("=");
  if (model.selective && share) asked[kind] = share;
  if (!several && model.nearest && find("nearest").checked) asked.nearest = NEAREST;
  return asked;
}
