// Leaves a row out, or gives it another class, without loading the page again.

import { holding } from "./live.js";

export function mending(root) {
  root.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-mend]");
    if (!form) return;
    event.preventDefault();
    holding(() => send(form, new FormData(form, event.submitter)));
  });
  root.addEventListener("change", (event) => {
    const form = event.target.closest("[data-mend]");
    if (!form) return;
    const fields = new FormData(form);
    fields.set("do", "label");
    holding(() => send(form, fields));
  });
}

async function send(form, fields) {
  const row = form.dataset.mend;
  const focused = document.activeElement?.name;
  const answer = await fetch("/mend", {
    method: "POST",
    headers: { Accept: "application/json" },
    body: new URLSearchParams(fields),
  });
  const found = await answer.json();
  if (!answer.ok) {
    alert([found.error, found.hint].filter(Boolean).join("\n"));
    location.reload();
    return;
  }
  document.body.dataset.version = found.version;
  for (const place of document.querySelectorAll(`[data-row="${row}"]`)) {
    place.querySelector("[data-mend]").outerHTML = found.row;
    place.classList.toggle("gone", place.querySelector("[data-mend]").classList.contains("gone"));
    if (place.contains(form) || !document.contains(form)) place.querySelector(`[name="${focused}"]`)?.focus();
  }
  for (const place of document.querySelectorAll("[data-changes]")) place.innerHTML = found.changes;
}
