// Labelling by clicks: a click is a point of the object, with Shift or Alt one that is not; a drag is a box around it.

import { find, make, name } from "./dom.js";
import { maskOver } from "./masks.js";
import { t } from "./words.js";

const PROPOSED = "\0"; // no class is called so
const FAR = 5; // pixels of the screen from which on a press is a drag
const images = JSON.parse(find("images").textContent);
const state = { image: 0, told: null, points: [], box: null, proposal: null, from: null, cursor: [0, 0] };

async function ask(work, fields = {}) {
  const body = JSON.stringify({ image: state.image, points: state.points, box: state.box, ...fields });
  const response = await fetch(`/${work}`, { method: "POST", body, headers: { "Content-Type": "application/json" } });
  const answer = await response.json();
  if (!response.ok) throw new Error([answer.error, answer.hint].filter(Boolean).join(": "));
  return answer;
}

/** One thing at a time; what went wrong is told. */
let working = Promise.resolve();
function then(work, said = "") {
  working = working.then(async () => {
    find("said").textContent = t("label_working");
    try {
      find("said").textContent = (await work()) ?? said;
    } catch (error) {
      find("said").textContent = error.message;
    }
    show();
  });
  return working;
}

function open(image) {
  Object.assign(state, { image, points: [], box: null, proposal: null, told: null });
  return then(async () => {
    state.told = await ask("open");
    state.cursor = [state.told.width / 2, state.told.height / 2];
  });
}

/** Ask again with other prompts; those that cannot be used are taken back. */
function propose(points, box) {
  return then(async () => {
    const before = [state.points, state.box, state.proposal];
    Object.assign(state, { points, box });
    try {
      state.proposal = points.length || box ? await ask("ask") : null;
    } catch (error) {
      [state.points, state.box, state.proposal] = before;
      throw error;
    }
    return state.proposal ? t("label_proposed", { area: state.proposal.area }) : "";
  });
}

function keep() {
  return then(async () => {
    state.told = await ask("keep", { class: find("class").value });
    Object.assign(state, { points: [], box: null, proposal: null });
  });
}

const undo = () => then(async () => (state.told = await ask("undo")) && "");
const save = () => then(async () => t("label_saved", { path: (await ask("save")).saved }));

function back() {
  if (state.points.length) return propose(state.points.slice(0, -1), state.box);
  return propose([], null);
}

function show() {
  const { told, proposal, points, box } = state;
  if (!told) return find("frame").replaceChildren();
  find("classes").replaceChildren(...told.classes.map((each) => make("option", { value: each })));
  if (!find("class").value) find("class").value = told.classes[0] ?? "";
  const masks = [...told.kept, ...(proposal ? [{ category: PROPOSED, segmentation: proposal.segmentation }] : [])];
  const model = { classes: [...told.classes, PROPOSED], colours: [...told.colours, "#ffffff"] };
  const image = make("img", { src: `/image/${state.image}`, alt: images[state.image], draggable: false });
  const share = ([x, y]) => ({ left: `${(100 * x) / told.width}%`, top: `${(100 * y) / told.height}%` });
  const mark = (place, sign) => make("span", { className: "mark", style: share(place) }, sign);
  const marks = points.map(([x, y, inside]) => mark([x, y], inside ? "+" : "−"));
  const corners = box ? [mark(box.slice(0, 2), "⌜"), mark(box.slice(2), "⌟")] : [];
  const cursor = document.activeElement === find("frame") && mark(state.cursor, "⌖");
  find("frame").replaceChildren(image, maskOver({ ...told, masks }, model), ...marks, ...corners, ...(cursor ? [cursor] : []));
  const line = ({ category }) => make("li", { style: { "--colour": model.colours[model.classes.indexOf(category)] } }, name(category));
  find("kept").replaceChildren(...told.kept.map(line));
  find("keep").disabled = !proposal;
  find("back").disabled = !proposal;
  find("undo").disabled = !told.kept.length;
}

/** A place on the screen in pixels of the image. */
function placeOf(event) {
  const { left, top, width, height } = find("frame").querySelector("img").getBoundingClientRect();
  const x = ((event.clientX - left) * state.told.width) / width;
  const y = ((event.clientY - top) * state.told.height) / height;
  return [Math.min(Math.max(x, 0), state.told.width - 0.01), Math.min(Math.max(y, 0), state.told.height - 0.01)];
}

const away = (event) => event.shiftKey || event.altKey;
const add = ([x, y], outside) => propose([...state.points, [x, y, outside ? 0 : 1]], state.box);

find("frame").addEventListener("pointerdown", (event) => {
  if (state.told && event.button === 0) state.from = event;
});
addEventListener("pointerup", (event) => {
  const { from } = state;
  state.from = null;
  if (!from) return;
  const [[x, y], [left, top]] = [placeOf(event), placeOf(from)];
  if (Math.hypot(event.clientX - from.clientX, event.clientY - from.clientY) < FAR) return add([left, top], away(from));
  propose([], [Math.min(x, left), Math.min(y, top), Math.max(x, left), Math.max(y, top)]);
});
find("frame").addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (!state.told) return;
  if (event.key in moves) {
    const step = Math.max(1, Math.max(state.told.width, state.told.height) / (event.shiftKey ? 200 : 40));
    const [x, y] = state.cursor.map((each, axis) => each + step * moves[event.key][axis]);
    state.cursor = [Math.min(Math.max(x, 0), state.told.width - 1), Math.min(Math.max(y, 0), state.told.height - 1)];
    show();
  } else if (event.key === "Enter") add(state.cursor, away(event));
  else if (event.key === "Backspace") back();
  else return;
  event.preventDefault();
});
find("frame").addEventListener("focus", show);
find("image").append(...images.map((each, place) => make("option", { value: place }, each)));
find("image").addEventListener("change", ({ target }) => open(Number(target.value)));
for (const [id, work] of Object.entries({ back, keep, undo, save })) find(id).addEventListener("click", work);
open(0);
