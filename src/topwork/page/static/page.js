// The page: what is given goes to a model, and what it says is shown. Who answers, a server or this browser, is told by
// the page; server.js and web.js have the same functions.

import { showAnswer } from "./answer.js";
import { offerCamera } from "./camera.js";
import { download } from "./csv.js";
import { find, make } from "./dom.js";
import { addPictures, offerGallery, showGallery } from "./gallery.js";
import { listen } from "./inputs.js";
import { headOf } from "./masks.js";
import { told } from "./objects.js";
import { fillOptions, optionsOf, showFrame, showTitle, useThreshold } from "./options.js";
import { knownAs, similar } from "./people.js";
import { Problem, asProblem } from "./problem.js";
import { fillTable, refresh } from "./table.js";
import { percent, speak, spoken, t } from "./words.js";

const ALONE = [400, 413, 415, 422]; // what HTTP says of inputs, not of the server
const answers = await import(`./${document.documentElement.dataset.answers}.js`);

const state = { models: [], model: null, items: [], chosen: null, running: null, told: null, problem: null };

// --- What is told

/** Say how it goes; what can be seen elsewhere is only heard. */
function tell(key, fields = {}) {
  state.told = key && [key, fields];
  find("status").textContent = key ? t(key, fields) : "";
  find("status").classList.toggle("unseen", key.startsWith("said"));
}

/** Show what went wrong, or nothing any more. */
function complain(error = null) {
  const box = find("problem");
  state.problem = error && asProblem(error);
  box.hidden = !error;
  box.replaceChildren();
  if (!error) return;
  tell("");
  const [message, hint = ""] = state.problem.said;
  box.append(make("p", {}, `${message} ${hint}`.trim()));
  if (state.problem.status !== 401 && (!state.model || unanswered().length))
    box.append(make("button", { type: "button", on: { click: tryAgain } }, t("try_again")));
}

const tryAgain = () => (state.model ? run(unanswered()) : begin());

// --- Answers

const unanswered = () => state.items.filter((item) => !item.answer && !item.error);
const several = () => state.items.length > 1;

/** Answer what was just given. */
function given(inputs) {
  for (const { url } of state.items) if (url) URL.revokeObjectURL(url);
  state.items = inputs.map((input) => ({ ...input, url: input.blob && URL.createObjectURL(input.blob) }));
  state.chosen = state.items[0];
  run();
}

/** Answer these items, a batch at a time; what ran before is given up. */
async function run(items = state.items) {
  const running = begun();
  for (const item of items) for (const key of ["answer", "error", "whole"]) delete item[key];
  const asked = optionsOf(state.model, several());
  complain();
  show();
  try {
    for (const batch of batches(items)) {
      const done = state.items.length - unanswered().length;
      if (several()) tell("answering_of", { done, total: state.items.length });
      else tell("answering");
      await answerBatch(batch, running.signal, asked);
      for (const item of batch) refresh(item);
      if (batch.includes(state.chosen)) showChosen();
    }
    for (const item of items) item.whole = JSON.stringify(asked);
    await answerWhole(running.signal);
    announce();
  } catch (error) {
    if (running.signal.aborted) return;
    ended(error);
  } finally {
    if (state.running === running) find("stop").hidden = !(state.running = null);
  }
}

function begun() {
  state.running?.abort();
  state.running = new AbortController();
  find("stop").hidden = !several();
  return state.running;
}

/** Several inputs at once; where the server cannot use them together, one by one. */
async function answerBatch(batch, signal, asked) {
  const how = {
    signal,
    waiting: (seconds) => tell("busy", { seconds }),
    loading: (share) => tell("loading_model", { percent: percent(share) }),
  };
  try {
    const found = await answers.answer(state.model, batch, asked, how);
    batch.forEach((item, place) => (item.answer = found[place]));
  } catch (error) {
    if (signal.aborted || !ALONE.includes(error.status)) throw error;
    if (batch.length === 1) batch[0].error = error;
    else for (const item of batch) await answerBatch([item], signal, asked);
  }
}

/** The one of several that is shown gets all that one alone gets: every class, evidence, similar images. */
async function answerWhole(signal) {
  const item = state.chosen;
  const asked = optionsOf(state.model, false);
  const whole = JSON.stringify(asked);
  if (!item?.answer || item.answer.error || item.whole === whole) return;
  await answerBatch([item], signal, asked);
  item.whole = whole;
  if (item === state.chosen) showChosen();
}

function* batches(items) {
  let batch = [];
  let bytes = 0;
  for (const item of items) {
    const size = item.blob?.size ?? item.text.length * 3;
    if (batch.length && (batch.length >= answers.most.inputs || bytes + size > answers.most.bytes)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(item);
    bytes += size;
  }
  if (batch.length) yield batch;
}

function announce() {
  const { items, chosen } = state;
  const failed = items.filter(({ error, answer }) => error || answer?.error).length;
  if (several()) return tell(failed ? "said_several" : "said_all", { total: items.length, failed });
  if (failed) return tell("");
  if (state.model.answer === "masks") return tell("said_mask", { source: chosen.name, head: headOf(chosen.answer, state.model) });
  if (state.model.answer === "objects") return tell("said_objects", { source: chosen.name, count: told(chosen.answer, state.model).length });
  if (state.model.answer === "identities") return announcePerson(chosen);
  const { label, probability, answered } = chosen.answer;
  tell(answered === false ? "said_unsure" : "said", { source: chosen.name, label, percent: percent(probability) });
}

function announcePerson({ name: source, answer }) {
  const known = knownAs(answer, state.model);
  if (known) tell("said_person", { source, name: known.name, value: similar(known.similarity) });
  else tell("said_nobody", { source });
}

function ended(error) {
  if (error.status === 401) return askForToken(error);
  complain(error);
}

// --- What is shown

function show() {
  find("several").hidden = !several();
  find("answer").hidden = !state.items.length;
  if (several()) fillTable(state.items, state.chosen, choose, state.model);
  if (state.items.length) showChosen();
}

function showChosen() {
  const { chosen, model } = state;
  const asked = optionsOf(model, false);
  const answer = chosen.answer && { ...chosen.answer };
  if (!asked.map) delete answer?.map;
  if (!asked.nearest) delete answer?.nearest;
  showAnswer({ ...chosen, answer }, model, asked, (item, label) =>
    answers.collect(model, chosen, label).then(() => (chosen.saved = label)),
  );
}

async function choose(item) {
  const before = state.chosen;
  state.chosen = item;
  [before, item].forEach((each) => refresh(each, state.chosen));
  showChosen();
  find("answer").focus({ preventScroll: true });
  find("answer").scrollIntoView({ block: "nearest" });
  if (state.running) return; // it will come to it
  await asking(answerWhole);
}

/** One more question, beside the answers that there are. */
async function asking(work) {
  const running = begun();
  find("stop").hidden = true;
  try {
    await work(running.signal);
  } catch (error) {
    if (!running.signal.aborted) ended(error);
  } finally {
    if (state.running === running) state.running = null;
  }
}

// --- Beginning, and what the user changes

async function begin() {
  complain();
  try {
    state.models = await answers.models();
    if (!state.models.length) throw new Problem("no_models");
    [find("loading").hidden, find("token").hidden, find("input").hidden] = [true, true, false];
    useModel(state.models[0]);
  } catch (error) {
    ended(error);
  }
}

function useModel(model) {
  const sameKind = state.model?.kind === model.kind;
  state.model = model;
  showFrame(model, state.models);
  showGallery(model);
  if (!sameKind) state.items = [];
  for (const item of state.items) (delete item.whole, delete item.saved);
  show();
  if (state.items.length) run();
}

function askForToken(error) {
  [find("loading").hidden, find("token").hidden] = [true, false];
  if (error.message === "token_wrong") complain(error);
  find("token-value").focus();
}

find("token")
  .querySelector("form")
  .addEventListener("submit", (event) => {
    event.preventDefault();
    answers.useToken(find("token-value").value);
    begin();
  });
find("language").addEventListener("change", ({ target }) => say(target.value));
find("model").addEventListener("change", ({ target }) => useModel(state.models[target.value]));
find("certainty").addEventListener("change", () => state.items.length && run());
for (const id of ["evidence", "nearest"]) {
  find(id).addEventListener("change", () => {
    if (!state.chosen?.answer) return;
    showChosen();
    asking(answerWhole);
  });
}
find("threshold").addEventListener("input", () => threshold(true));
find("threshold-own").addEventListener("click", () => {
  threshold(false);
  find("threshold").focus();
});
find("stop").addEventListener("click", () => {
  state.running?.abort();
  find("stop").hidden = true;
  tell("stopped", { done: state.items.length - unanswered().length, total: state.items.length });
});
find("download").addEventListener("click", () => download(state.items, state.model));
addEventListener("offline", () => answers.remote && complain(new Problem("offline")));
addEventListener("online", () => {
  if (state.problem?.message !== "offline") return;
  complain();
  tell("online_again");
  if (!state.model) begin();
  else if (unanswered().length) run(unanswered());
});

/** Nothing is asked again: all that may be shown is here. */
function threshold(set) {
  useThreshold(state.model, set);
  for (const item of state.items) refresh(item);
  if (state.items.length) showChosen();
  if (state.items.length && !state.running) announce();
}

/** Say everything in a language. */
function say(language) {
  speak(language);
  find("language").value = spoken();
  if (state.told) tell(...state.told);
  if (state.problem) complain(state.problem);
  if (!state.model) return showTitle(find("title").dataset.name);
  showFrame(state.model, state.models);
  fillOptions(state.model);
  showGallery(state.model);
  show();
}

listen({ given, refused: complain, takesImages: () => state.model?.kind === "image" });
offerCamera({ camera: given, "enroll-camera": addPictures });
offerGallery({ answers, model: () => state.model, changed: () => state.items.length && run() });
say(spoken());
begin();
