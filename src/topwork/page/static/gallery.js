// Who is known: somebody is enrolled from the camera or from files, or forgotten. Nothing is kept here.

import { find, make, name } from "./dom.js";
import { asProblem } from "./problem.js";
import { t } from "./words.js";

let pictures = []; // of whom is to be enrolled
let how = null; // `answers`, `model` and `changed`
let told = []; // what was said last: functions, so that it is said again in another language

/**
 * Let whom a model knows be changed, where it may.
 * @param {{answers: Object, model: function(): Object, changed: function()}} given `changed` hears of each change.
 */
export function offerGallery(given) {
  how = given;
  find("enroll").addEventListener("submit", (event) => {
    event.preventDefault();
    enroll();
  });
  find("enroll-files").addEventListener("change", ({ target }) => {
    addPictures([...target.files].map((blob) => ({ name: blob.name, blob })));
    target.value = "";
  });
}

/** Pictures of whom is to be enrolled, beside those that there are. */
export function addPictures(more) {
  pictures = [...pictures, ...more.map((each) => ({ ...each, url: URL.createObjectURL(each.blob) }))];
  showPictures();
}

/** Show the gallery of a model, or nothing where the server does not let it be changed. */
export async function showGallery(model) {
  find("gallery").hidden = !model.enroll;
  if (!model.enroll) return;
  say();
  showPictures();
  try {
    fillPeople(await how.answers.known(model));
  } catch (error) {
    tell(() => asProblem(error).said.join(" "));
  }
}

function tell(...sentences) {
  told = sentences;
  say();
}

const say = () => find("gallery-said").replaceChildren(...told.map((each) => make("p", {}, each())));

function showPictures() {
  const shown = pictures.map((each) => {
    const image = make("img", { src: each.url, alt: "" });
    const remove = make(
      "button",
      { type: "button", className: "link", aria: { label: t("leave_out_named", { name: each.name }) } },
      t("leave_out"),
    );
    remove.addEventListener("click", () => {
      drop(each);
      find("enroll-name").focus();
    });
    image.addEventListener("error", () => image.replaceWith(make("span", { className: "blank" })));
    return make("li", {}, image, name(each.name), remove);
  });
  find("enroll-pictures").replaceChildren(...shown);
  find("enroll-pictures").hidden = !shown.length;
}

function drop(picture) {
  URL.revokeObjectURL(picture.url);
  pictures = pictures.filter((each) => each !== picture);
  showPictures();
}

async function enroll() {
  const [model, called, sent] = [how.model(), find("enroll-name").value.trim(), pictures];
  if (!sent.length) return tell(() => t("no_pictures"));
  find("enroll-now").disabled = true;
  tell(() => t("enrolling"));
  try {
    const done = await how.answers.enroll(model, called, sent);
    const failed = Object.entries(done.errors);
    tell(
      () => t("enrolled", { name: done.name, count: done.images }),
      ...failed.map(([source, why]) => () => `${source}: ${why}`),
      ...(done.alike ? [() => t("alike", { name: done.name, other: done.alike })] : []),
    );
    sent.forEach(drop);
    find("enroll").reset();
    await showGallery(model);
    how.changed();
  } catch (error) {
    tell(() => asProblem(error).said.join(" "));
  } finally {
    find("enroll-now").disabled = false;
  }
}

function fillPeople({ count, people }) {
  const rows = people.map(({ name: called, images }) => {
    const forget = make("button", { type: "button", aria: { label: t("forget_named", { name: called }) } }, t("forget"));
    const sure = () => {
      forget.removeEventListener("click", sure);
      forget.textContent = t("forget_sure");
      forget.setAttribute("aria-label", t("forget_sure_named", { name: called }));
      forget.addEventListener("click", () => forgotten(called, forget), { once: true });
    };
    forget.addEventListener("click", sure);
    return make("li", {}, make("span", {}, name(called), make("span", { className: "muted" }, ` ${images}`)), forget);
  });
  find("people").replaceChildren(...rows);
  find("people-of").hidden = !rows.length;
  find("people-count").textContent = t("people_count", { count });
}

async function forgotten(called, button) {
  button.disabled = true;
  try {
    const model = how.model();
    const done = await how.answers.forget(model, called);
    tell(() => t("forgotten", { name: done.name, count: done.images }));
    await showGallery(model);
    how.changed();
  } catch (error) {
    tell(() => asProblem(error).said.join(" "));
  }
  find("gallery-title").focus();
}
