// Answers by this browser: the same functions as server.js gives. Nothing is sent anywhere.

import { said } from "./decide.js";
import { pause } from "./dom.js";
import { pixelsOf } from "./pixels.js";
import { Problem } from "./problem.js";

export const most = { inputs: 1, bytes: Infinity }; // that go together
export const remote = false; // once the model is here, no connection is needed

let loaded = null; // a promise of the session and the runtime
let share = 0; // of the model's file that is here

/** Facts of the model; its file is on its way from then on. */
export async function models() {
  const found = await (await file("models.json")).json();
  load(found[0]).catch(() => {}); // told when it is needed
  return found;
}

/** What the model says; as server.js has it. */
export async function answer(model, inputs, asked, { signal, loading }) {
  const { runtime, session } = await whileLoading(load(model), loading, signal);
  const found = [];
  for (const { blob } of inputs) {
    await pause(0, signal); // the page may draw meanwhile
    const { data, width, height } = await pixelsOf(blob);
    const images = new runtime.Tensor("uint8", data, [1, height, width, 3]);
    const { probabilities, typicality } = await session.run({ images });
    found.push(said(model, probabilities.data, typicality?.data[0], asked));
  }
  return found;
}

async function whileLoading(work, loading, signal) {
  let done = false;
  const ended = work.finally(() => (done = true));
  ended.catch(() => {});
  for (; !done; await pause(150, signal)) if (share < 1) loading(share);
  return ended;
}

/** The model, once; after a failure it is tried again. */
function load(model) {
  loaded ??= opened(model).catch((error) => {
    loaded = null;
    throw error;
  });
  return loaded;
}

async function opened(model) {
  if (typeof WebAssembly === "undefined") throw new Problem("no_wasm");
  const [runtime, wasm, bytes] = await Promise.all([import("../runtime/ort.js"), compiled(), content(model)]);
  Object.assign(runtime.env.wasm, { wasmBinary: wasm, numThreads: 1 }); // more threads need headers that few hosts send
  const session = await runtime.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  return { runtime, session };
}

/** The runtime's own code, whatever type its host says that it is. */
const compiled = async () => (await file("runtime/ort.wasm")).arrayBuffer();

/** The model's file, as it comes. */
async function content(model) {
  const response = await file(model.file);
  const bytes = new Uint8Array(model.bytes);
  let length = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (length + value.length > bytes.length) throw new Problem("model_missing");
    bytes.set(value, length);
    share = (length += value.length) / bytes.length;
  }
  if (length !== bytes.length) throw new Problem("model_missing");
  return bytes;
}

async function file(name) {
  const response = await fetch(new URL(name, document.baseURI)).catch(() => null);
  if (response?.ok) return response;
  if (!response && !navigator.onLine) throw new Problem("offline");
  throw new Problem("model_missing", { hint: "later" });
}
