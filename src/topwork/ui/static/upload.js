// Sends a folder, a zip or a table that was dropped or chosen, a few files at a time.

import { holding } from "./live.js";

const AT_ONCE = 4;

export function uploads(place) {
  if (!place) return;
  place.addEventListener("dragover", (event) => {
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", async (event) => {
    event.preventDefault();
    place.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    holding(async () => send(place, (await Promise.all(entries.map((entry) => filesOf(entry)))).flat()));
  });
  for (const input of place.querySelectorAll("input")) {
    input.addEventListener("change", () => {
      const files = [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
      input.value = "";
      holding(() => send(place, files));
    });
  }
}

async function filesOf(entry, folder = "") {
  const name = folder + entry.name;
  if (entry.isFile) return [{ name, file: await new Promise((found, lost) => entry.file(found, lost)) }];
  const reader = entry.createReader();
  const inside = [];
  for (;;) {
    const some = await new Promise((found, lost) => reader.readEntries(found, lost)); // at most 100 at a time
    if (!some.length) break;
    inside.push(...some);
  }
  return (await Promise.all(inside.map((each) => filesOf(each, `${name}/`)))).flat();
}

async function send(place, files) {
  const [shown, refused] = ["[data-upload]", "[data-refused]"].map((each) => place.querySelector(each));
  refused.hidden = true;
  if (!files.length) return;
  shown.hidden = false;
  try {
    const name = files[0].name.split("/")[0];
    const { upload } = await asked("/upload", { method: "POST", body: new URLSearchParams({ name }) });
    await each(files, shown, ({ file, name: path }) =>
      asked(`/upload/${upload}?${new URLSearchParams({ name: path })}`, { method: "PUT", body: file }));
    const { to } = await asked(`/upload/${upload}/end`, { method: "POST" });
    location.assign(to);
  } catch (error) {
    shown.hidden = true;
    refused.hidden = false;
    refused.textContent = error.message;
  }
}

async function each(files, shown, use) {
  const bar = shown.querySelector("progress");
  const words = shown.querySelector("[data-sent]");
  bar.max = files.length;
  bar.value = 0;
  const left = [...files];
  const worker = async () => {
    for (let file = left.pop(); file; file = left.pop()) {
      await use(file);
      bar.value += 1;
      words.textContent = words.dataset.words.replace("{done}", bar.value).replace("{all}", files.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function asked(address, how) {
  const answer = await fetch(address, { headers: { Accept: "application/json" }, ...how });
  if (answer.status === 204) return null;
  const found = await answer.json().catch(() => ({ error: `${answer.status}` }));
  if (!answer.ok) throw new Error([found.error, found.hint].filter(Boolean).join(" — "));
  return found;
}
