// Elements, without any HTML in a string: what a file or a class is called is text and nothing else.

/** The element of an id. */
export const find = (id) => document.getElementById(id);

/**
 * A new element.
 * @param {string} tag
 * @param {Object} properties Of the element; `data`, `aria` and `style` hold several (styles through the object model,
 *     which a strict content security policy allows), `on` its listeners.
 * @param {...(Node|string|null|false|undefined)} children Those that are nothing are left out.
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  const { data = {}, aria = {}, style = {}, on = {}, ...plain } = properties;
  Object.assign(element, plain);
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(`aria-${name}`, value);
  for (const [name, value] of Object.entries(style)) element.style.setProperty(name, value);
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  element.append(...children.flat().filter((each) => each !== null && each !== undefined && each !== false));
  return element;
}

/** Text with a direction of its own, so that a right-to-left name turns nothing around it. */
export const name = (text) => make("bdi", {}, text);

/** What a promise gives, or null after so many milliseconds. */
export const pause = (milliseconds, signal) =>
  new Promise((resolve, reject) => {
    const stopped = () => reject(signal.reason);
    if (signal?.aborted) return stopped();
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stopped);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), stopped()), { once: true });
  });
