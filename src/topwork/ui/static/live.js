// Follows the session: what is being done is kept up to date, and a page that is old by now is loaded again.

let held = 0; // works of this page that a new one must not cut off
let last = null;

export function follow() {
  const events = new EventSource("/events");
  events.addEventListener("message", (event) => {
    last = JSON.parse(event.data);
    told();
  });
  addEventListener("pagehide", () => events.close());
  addEventListener("submit", (event) => {
    if (!event.defaultPrevented) events.close(); // what the form leads to is the next page
  });
}

/** Do something that must not be cut off, though the state changes meanwhile. */
export async function holding(work) {
  held += 1;
  try {
    return await work();
  } finally {
    held -= 1;
    told();
  }
}

function told() {
  if (held || !last) return;
  if (last.version === Number(document.body.dataset.version)) {
    if (last.job) show(last);
    return;
  }
  if (last.version < Number(document.body.dataset.version)) return; // told before this page changed it
  const watched = document.querySelector("[data-job]") && !last.job;
  if (watched) location.assign(`/${last.at}`); // what came of what was done here
  else location.reload();
}

function show({ job, ladder }) {
  const place = document.querySelector("[data-job]");
  if (!place) return;
  set(place.querySelector("[data-step]"), job.step);
  set(place.querySelector("[data-times]"), job.times);
  const bar = place.querySelector("progress");
  if (job.total) {
    bar.max = job.total;
    bar.value = job.done;
  } else {
    bar.removeAttribute("value");
  }
  const rungs = document.querySelector("[data-ladder]");
  if (rungs && rungs.dataset.shown !== ladder) {
    rungs.dataset.shown = ladder;
    rungs.innerHTML = ladder;
  }
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
