// The answer of a model that tells the class of each pixel: the mask over the picture, and a legend that says the same.

import { make, name } from "./dom.js";
import { percent, t } from "./words.js";

const MOST = 2048; // pixels of a drawing's longer side
const FILL = 140; // of 255, how much of a class's colour lies on its pixels; a line around each object has all of it

const off = new Set(); // classes that are not drawn
let opacity = 80; // per cent

/** Classes that are told of, the largest first: `{ category, share, count }`; `count` is undefined without objects. */
export function classesOf(answer, model) {
  const { objects, shares } = answer;
  const told = model.classes.slice(model.background ? 1 : 0).map((category) => ({
    category,
    share: shares[category],
    count: objects?.filter((each) => each.category === category).length,
  }));
  return told.sort((one, other) => other.share - one.share);
}

const there = (answer, model) => classesOf(answer, model).filter(({ share }) => share > 0);

/** The classes that are there, in a line: `2 cat 31.0 %, dog 5.2 %`. */
export function listed(answer, model) {
  const found = there(answer, model);
  const each = ({ category, share, count }) => [count === undefined ? "" : `${count} `, name(category), ` ${percent(share)}`];
  return found.length ? found.flatMap((one, place) => [place ? ", " : "", ...each(one)]) : [t("no_objects")];
}

/** How it is said in one line without a class's name. */
export function headOf({ objects, shares }, model) {
  if (objects) return objects.length === 1 ? t("object") : objects.length ? t("objects", { count: objects.length }) : t("no_objects");
  const count = there({ shares }, model).length;
  return count === 1 ? t("one_class_there") : count ? t("classes_there", { count }) : t("no_objects");
}

/** What is said of an answer, under a title: each class with a switch, how strongly the mask is drawn, and its file. */
export function saidOfMask(answer, model, title, source) {
  const rows = classesOf(answer, model).map((each) => legend(each, model));
  return [
    title(headOf(answer, model)),
    make("div", { className: "wide", tabIndex: 0, role: "group", aria: { labelledby: "answer-title" } }, make("ul", { className: "objects legend" }, ...rows)),
    slider(),
    answer.mask && make("p", { className: "row" }, make("a", { className: "button", href: answer.mask, download: fileOf(source) }, t("download_mask"))),
  ].filter(Boolean);
}

const fileOf = (source) => `${source.replace(/\.[^.]*$/, "") || "mask"}.png`;

function legend({ category, share, count }, model) {
  const box = make("input", { type: "checkbox", checked: !off.has(category) });
  box.addEventListener("change", () => {
    if (box.checked) off.delete(category);
    else off.add(category);
    for (const canvas of document.querySelectorAll("canvas.mask")) canvas.paint();
  });
  const said = count === undefined ? percent(share) : `${t("count_of", { count })} · ${percent(share)}`;
  return make(
    "li",
    { style: { "--colour": colour(category, model) } },
    make("label", { className: "tick" }, box, name(category)),
    make("span", { className: "number" }, said),
  );
}

function slider() {
  const range = make("input", { type: "range", min: 0, max: 100, step: 5, value: opacity, id: "opacity" });
  range.addEventListener("input", () => {
    opacity = Number(range.value);
    for (const canvas of document.querySelectorAll("canvas.mask")) canvas.style.opacity = opacity / 100;
  });
  return make("p", { className: "opacity" }, make("label", {}, make("span", {}, t("opacity")), " ", range));
}

const colour = (category, model) => model.colours[model.classes.indexOf(category)];

/** The mask as it lies over the picture; the legend says the same to whoever does not see it. */
export function maskOver(answer, model) {
  const canvas = make("canvas", { className: "mask", aria: { hidden: true }, style: { opacity: opacity / 100 } });
  const drawing = numbersOf(answer);
  Object.assign(canvas, { width: drawing.width, height: drawing.height });
  canvas.paint = () => paint(canvas, drawing, model);
  canvas.paint();
  return canvas;
}

const known = new WeakMap(); // by the masks of an answer: switches decode nothing again

/** Which mask each pixel of the drawing is of, from 1; every so many pixels of a large image one is taken. */
function numbersOf({ objects, masks, width: wide, height: high }) {
  const parts = objects ?? masks;
  if (known.has(parts)) return known.get(parts);
  const step = Math.ceil(Math.max(wide, high) / MOST);
  const [width, height] = [Math.ceil(wide / step), Math.ceil(high / step)];
  const numbers = new Int32Array(width * height);
  parts.forEach(({ segmentation: { counts } }, place) => {
    for (const [begin, to] of runsOf(counts)) {
      let from = begin;
      while (from < to) {
        const column = Math.floor(from / high);
        const [first, end] = [column * high, Math.min(to, (column + 1) * high)];
        if (column % step === 0) {
          for (let y = Math.ceil((from - first) / step); y * step < end - first; y += 1) numbers[y * width + column / step] = place + 1;
        }
        from = end;
      }
    }
  });
  const found = { width, height, numbers, categories: parts.map(({ category }) => category), lined: Boolean(objects) };
  known.set(parts, found);
  return found;
}

/** COCO's run lengths, compressed, as pairs of places from which on and before which a mask is, column by column. */
function* runsOf(counts) {
  const lengths = [];
  for (let at = 0, place = 0; at < counts.length; ) {
    let [length, shift, code] = [0, 0, 32];
    while (code & 32) {
      code = counts.charCodeAt(at++) - 48;
      length |= (code & 31) << shift;
      shift += 5;
    }
    if (code & 16 && shift < 32) length |= -1 << shift;
    if (lengths.length > 2) length += lengths.at(-2);
    lengths.push(length);
    if (lengths.length % 2 === 0) yield [place, place + length];
    place += length;
  }
}

function paint(canvas, { width, height, numbers, categories, lined }, model) {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const shown = categories.map((each) => !off.has(each));
  const colours = categories.map((each) => [1, 3, 5].map((at) => parseInt(colour(each, model).slice(at, at + 2), 16)));
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? -1 : numbers[y * width + x]);
  for (let y = 0, place = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, place += 1) {
      const number = numbers[place];
      if (!number || !shown[number - 1]) continue;
      const edge = lined && [at(x - 1, y), at(x + 1, y), at(x, y - 1), at(x, y + 1)].some((other) => other !== number);
      pixels.data.set(colours[number - 1], 4 * place);
      pixels.data[4 * place + 3] = edge ? 255 : FILL;
    }
  }
  context.putImageData(pixels, 0, 0);
}
