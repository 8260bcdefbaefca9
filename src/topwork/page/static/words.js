// What the page says, in the language that was asked for, and numbers as a person reads them.

const texts = JSON.parse(document.getElementById("texts").textContent);
const offered = document.documentElement.lang; // by whoever gave the page

let language = wanted();

/** The address's `?lang=` goes first, then what the browser prefers, then what the page came in. */
function wanted() {
  const asked = new URLSearchParams(location.search).get("lang");
  const preferred = [asked, ...navigator.languages].map((each) => (each ?? "").slice(0, 2).toLowerCase());
  return preferred.find((each) => each in texts) ?? offered;
}

/** The language that is spoken. */
export const spoken = () => language;

/** Speak a language from now on: what stands in the page is said again, and its address remembers. */
export function speak(chosen = language) {
  if (chosen !== language) {
    const address = new URL(location.href);
    address.searchParams.set("lang", chosen);
    history.replaceState(null, "", address);
  }
  language = chosen;
  document.documentElement.lang = chosen;
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
}

/** A text by its key; its `{fields}` are filled in. */
export function t(key, fields = {}) {
  return texts[language][key].replace(/\{(\w+)\}/g, (whole, name) => (name in fields ? String(fields[name]) : whole));
}

/** Whether there is such a text. */
export const known = (key) => key in texts[language];

/** A share as a report writes it: never 100.0 % for what is not all, nor 0.0 % for what is not nothing. */
export function percent(share) {
  const digits = share === 0 || share === 1 ? 0 : 1;
  const shown = share > 0 && share < 1 ? Math.min(Math.max(100 * share, 0.1), 99.9) : 100 * share;
  return `${shown.toFixed(digits)}\u00a0%`;
}

/** A small share with the digits that it needs: `0.012 %`. */
export const rate = (share) => `${+(100 * share).toPrecision(2)}\u00a0%`;

/** A number with two digits; what rounds to nothing has no sign. */
export const decimal = (number) => (Math.round(100 * number) / 100 || 0).toFixed(2);

/** A level such as 0.95 as `95 %`. */
export const level = (share) => `${+(100 * share).toFixed(2)}\u00a0%`;
