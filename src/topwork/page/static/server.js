// Answers by a server: the same four functions as web.js gives.

import { pause } from "./dom.js";
import { Problem } from "./problem.js";
import { spoken } from "./words.js";

export const most = { inputs: 8, bytes: 8e6 }; // that go in one request
export const remote = true; // nothing is answered without a connection
const TRIES = 8; // of a server that says that it is busy
const LONGEST = 30; // seconds until it is tried again

let token = sessionStorage.getItem("topwork-token") ?? "";

/** Keep a token for as long as the tab is open. */
export function useToken(given) {
  token = given;
  sessionStorage.setItem("topwork-token", given);
}

/** Facts of the models, the first of them the usual one. */
export const models = () => ask("models");

/**
 * What a model says.
 * @param {Object} model Its facts.
 * @param {{name: string, blob?: Blob, text?: string}[]} inputs
 * @param {Object} asked coverage, accuracy, map, nearest, top: those that are wanted.
 * @param {{signal: AbortSignal, waiting: function(number)}} how `waiting` hears for how many seconds it waits.
 * @returns {Promise<Object[]>} One for each input; one that cannot be used has an `error`.
 */
export async function answer(model, inputs, asked, how) {
  const query = new URLSearchParams({ model: model.name });
  for (const [name, value] of Object.entries(asked)) query.set(name, value);
  const found = await ask(`predict?${query}`, formOf(inputs), how);
  return found.predictions;
}

/** Keep an input as an example of a class for the next training. */
export const collect = (model, input, label) => {
  const body = formOf([input]);
  body.append("label", label);
  return ask(`collect?${new URLSearchParams({ model: model.name })}`, body);
};

/** Whom a model knows: `count`, and `people` with `name` and `images`. */
export const known = (model) => ask(`gallery?${new URLSearchParams({ model: model.name })}`);

/** Let a model know somebody by these inputs. */
export const enroll = (model, name, inputs) => named("enroll", model, name, formOf(inputs));

/** Let a model forget somebody. */
export const forget = (model, name) => named("forget", model, name, new FormData());

/** A name goes in the body: addresses are written down on the way. */
function named(path, model, name, body) {
  body.append("name", name);
  return ask(`${path}?${new URLSearchParams({ model: model.name })}`, body);
}

function formOf(inputs) {
  const body = new FormData();
  for (const { blob, text, name } of inputs) {
    if (blob) body.append("image", blob, name);
    else body.append("text", text);
  }
  return body;
}

/** Ask until the server has room. */
async function ask(path, body = undefined, { signal = undefined, waiting = () => {} } = {}) {
  for (let left = TRIES; ; left -= 1) {
    const response = await sent(path, body, signal);
    if (response.ok) return response.json();
    const seconds = Number(response.headers.get("Retry-After"));
    if (response.status !== 503 || !(seconds >= 0)) throw await problemOf(response);
    if (left <= 1) throw new Problem("still_busy", { hint: "later", status: 503 });
    const wait = Math.min(Math.max(seconds, 1), LONGEST);
    waiting(wait);
    await pause(wait * 1000, signal);
  }
}

async function sent(path, body, signal) {
  const headers = { "Accept-Language": spoken(), Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const asked = { method: body ? "POST" : "GET", body, headers, signal, cache: "no-store" };
  try {
    return await fetch(new URL(path, document.baseURI), asked);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw navigator.onLine
      ? new Problem("unreachable", { hint: "unreachable_more" })
      : new Problem("offline", { hint: "" });
  }
}

async function problemOf(response) {
  const { status } = response;
  if (status === 401) return new Problem(token ? "token_wrong" : "token_needed", { status });
  const told = await response.json().catch(() => ({}));
  if (typeof told.error !== "string") return new Problem("server_failed", { status, fields: { status } });
  return new Problem(told.error, { hint: told.hint, status });
}
