// What is to be answered, from wherever it comes: dropped, pasted, chosen, written.

import { find } from "./dom.js";
import { Problem } from "./problem.js";
import { t } from "./words.js";

let pastes = 0;

/**
 * Listen for inputs.
 * @param {{given: function(Object[]), refused: function(Problem), takesImages: function(): boolean}} to
 */
export function listen(to) {
  listenForDrops(to);
  find("files").addEventListener("change", ({ target }) => {
    if (target.files.length) to.given(inputsOf(target.files));
    target.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || !to.takesImages()) return;
    event.preventDefault();
    to.given(inputsOf(files, () => t("pasted", { number: (pastes += 1) })));
  });
  find("writing").addEventListener("submit", (event) => {
    event.preventDefault();
    const texts = written(find("words").value, find("each-line").checked);
    if (texts.length) to.given(texts);
    else to.refused(new Problem("no_texts"));
  });
}

/** An image may be dropped anywhere in the page. */
function listenForDrops(to) {
  const zone = find("zone");
  const invitation = zone.querySelector(".invitation");
  const over = (is) => {
    zone.classList.toggle("over", is);
    invitation.textContent = t((invitation.dataset.t = is ? "drop_now" : "drop"));
  };
  let depth = 0; // of the elements that are entered and not yet left
  const withFiles = (event) => to.takesImages() && event.dataTransfer.types.includes("Files");
  document.addEventListener("dragenter", (event) => withFiles(event) && over((depth += 1) > 0));
  document.addEventListener("dragleave", (event) => withFiles(event) && over((depth -= 1) > 0));
  document.addEventListener("dragover", (event) => withFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!withFiles(event)) return;
    event.preventDefault();
    over((depth = 0) > 0);
    const folders = [...event.dataTransfer.items].some((each) => each.webkitGetAsEntry?.()?.isDirectory);
    const files = event.dataTransfer.files;
    if (folders) to.refused(new Problem("no_folders"));
    else if (files.length) to.given(inputsOf(files));
    else to.refused(new Problem("no_files"));
  });
}

const inputsOf = (files, naming = (file) => file.name) => [...files].map((blob) => ({ name: naming(blob), blob }));

function written(text, eachLine) {
  const texts = (eachLine ? text.split(/\r?\n/) : [text]).map((each) => each.trim()).filter(Boolean);
  return texts.map((each, place) => ({ name: t("text_number", { number: place + 1 }), text: each }));
}
