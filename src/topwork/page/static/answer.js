// One answer, whole: what it is, how sure, why, and what is like it.

import { find, make, name } from "./dom.js";
import { maskOver, saidOfMask } from "./masks.js";
import { boxesOver, saidOf } from "./objects.js";
import { findsOver, saidOfPerson } from "./people.js";
import { decimal, level, percent, t } from "./words.js";

const SHOWN = 5; // classes that are not folded away
const MOST = 1000; // of those that are

/**
 * Show an item's answer.
 * @param {Object} item `name`, `answer` or `error`, and `url` or `text`.
 * @param {Object} model Its facts.
 * @param {Object} asked What was asked for: `accuracy` or `coverage`.
 * @param {function(Object, string): Promise} correct Keeps the item as an example of a class.
 */
export function showAnswer(item, model, asked, correct) {
  const { answer } = item;
  const shown = make("div", { className: "shown" }, item.text === undefined ? picture(item, model) : excerpt(item.text));
  const words = make("div", { className: "words" });
  if (item.error || answer?.error) words.append(title(t("unusable")), ...fault(item));
  else if (answer)
    words.append(...(SAID[model.answer] ?? said)(answer, model, asked, item), ...(model.collect ? [correction(item, model, correct)] : []));
  else words.append(make("h2", { id: "answer-title", className: "unseen" }, t("answer")));
  const below = answer?.nearest?.length ? [nearest(answer.nearest, model.kind)] : [];
  find("answer").replaceChildren(make("div", { className: "beside" }, shown, words), ...below);
}

const SAID = {
  objects: (answer, model) => saidOf(answer, model, title),
  identities: (answer, model) => saidOfPerson(answer, model, title),
  masks: (answer, model, asked, item) => saidOfMask(answer, model, title, item.name),
};

const OVER = { objects: boxesOver, identities: (answer) => answer.found && findsOver(answer), masks: maskOver };

const title = (...text) => make("h2", { id: "answer-title" }, ...text);

const fault = (item) => (item.error?.said ?? [item.answer.error]).map((each) => make("p", {}, each));

/** What the model says, the most important first. */
function said(answer, model, asked) {
  const unsure = answer.answered === false;
  const kind = model.kind === "text" ? "unfamiliar_text" : "unfamiliar_image";
  return [
    title(
      unsure ? t("not_sure") : name(answer.label),
      " ",
      !unsure && make("span", { className: "sure" }, percent(answer.probability)),
    ),
    unsure &&
      make(
        "p",
        {},
        t("not_sure_more", { label: answer.label, percent: percent(answer.probability), level: level(asked.accuracy) }),
      ),
    answer.unfamiliar && notice("warning", t(kind), t("unfamiliar_more")),
    answer.critical?.threshold && critical(answer.critical),
    answer.labels && labels(answer.labels, level(asked.coverage)),
    bars(answer, model),
  ].filter(Boolean);
}

const notice = (kind, head, more) =>
  make("p", { className: `notice ${kind}` }, make("strong", {}, head), more && ` ${more}`);

function critical({ class: called, probability, threshold, flagged }) {
  const fields = { name: called, percent: percent(probability), threshold: level(threshold) };
  return notice(flagged ? "blocks" : "plain", t(flagged ? "flagged" : "not_flagged", fields));
}

const labels = (found, share) =>
  make(
    "div",
    { className: "set" },
    make("p", {}, t("one_of", { level: share })),
    make("ul", {}, ...found.map((each) => make("li", { className: "badge note" }, name(each)))),
  );

/** Probabilities, the highest first; all but the first are folded away. */
function bars(answer, model) {
  const ranked = Object.entries(answer.probabilities).sort((one, other) => other[1] - one[1]);
  const rest = ranked.slice(SHOWN, MOST);
  const left = model.classes.length - ranked.length; // those that were not sent
  const sum = Math.max(0, 1 - ranked.reduce((total, [, probability]) => total + probability, 0));
  return make(
    "div",
    { className: "bars" },
    make("h3", {}, t("probabilities")),
    list(ranked.slice(0, SHOWN), answer.label),
    rest.length > 0 &&
      make(
        "details",
        {},
        make("summary", {}, rest.length === 1 ? t("other_class") : t("other_classes", { count: rest.length })),
        list(rest, answer.label),
      ),
    left > 0 && make("p", { className: "muted" }, t("together", { count: left, percent: percent(Math.min(sum, 1)) })),
  );
}

const list = (ranked, label) =>
  make(
    "ol",
    {},
    ...ranked.map(([each, probability]) =>
      make(
        "li",
        { className: each === label ? "chosen" : "", style: { "--share": `${100 * probability}%` } },
        name(each),
        make("span", { className: "number" }, percent(probability)),
      ),
    ),
  );

const excerpt = (text) =>
  make("blockquote", { className: "excerpt", tabIndex: 0, role: "region", aria: { label: t("the_text") } }, text);

/** The image, and in it the objects that were found, or the evidence where it was asked for. */
function picture(item, model) {
  const { name: called, answer, url } = item;
  const image = make("img", { src: url, alt: t("picture_of", { source: called }) });
  const frame = make("div", { className: "frame" }, image, OVER[model.answer] && answer && !answer.error && OVER[model.answer](answer, model), answer?.map && overlay(answer));
  image.addEventListener("error", () => frame.replaceChildren(make("p", { className: "blank" }, t("no_preview"))));
  const caption = make(
    "figcaption",
    {},
    name(called),
    answer?.map && make("span", { className: "muted" }, ` ${t(answer.objects ? "evidence_object" : "evidence_more", { label: answer.label })}`),
  );
  return make("figure", {}, frame, caption);
}

/** The map, over the part of the upright image that the network saw. */
function overlay({ map, view: [left, top, right, bottom] = [0, 0, 1, 1], label }) {
  const places = { left, top, width: right - left, height: bottom - top };
  const style = Object.fromEntries(Object.entries(places).map(([side, share]) => [side, `${100 * share}%`]));
  return make("img", { className: "overlay", src: map, alt: t("evidence", { label }), style });
}

function nearest(found, kind) {
  const each = ({ thumbnail, text, label, similarity }) => {
    const shown = thumbnail
      ? make("img", { src: thumbnail, alt: "" })
      : make("blockquote", { className: "excerpt" }, text);
    const says = t("similar", { label, value: decimal(similarity) });
    return make("li", {}, make("figure", {}, shown, make("figcaption", {}, says)));
  };
  const head = t(kind === "text" ? "like_text" : "like_image");
  return make("div", { className: `nearest ${kind}` }, make("h3", {}, head), make("ul", {}, ...found.map(each)));
}

/** Where the user says what it is. */
function correction(item, model, correct) {
  const others = model.classes.map((each) =>
    make("option", { value: each, selected: each === item.answer.label }, each),
  );
  const select = make("select", {}, ...others);
  const done = make("p", { role: "status", className: "muted" }, item.saved ? t("saved", { label: item.saved }) : "");
  const button = make("button", {}, t("save"));
  const save = async (event) => {
    event.preventDefault();
    button.disabled = true;
    done.textContent = "";
    try {
      await correct(item, select.value);
      item.saved = select.value;
      done.textContent = t("saved", { label: select.value });
    } catch (error) {
      done.textContent = error.said?.join(" ") ?? String(error);
    } finally {
      button.disabled = false;
    }
  };
  const form = make(
    "form",
    { className: "row", on: { submit: save } },
    make("label", {}, make("span", {}, t("right_class")), " ", select),
    button,
  );
  return make(
    "details",
    { className: "wrong", open: Boolean(item.saved) },
    make("summary", {}, t("wrong")),
    make("p", { className: "muted" }, t("wrong_more")),
    form,
    done,
  );
}
