// What went wrong, in words.

import { known, t } from "./words.js";

/** An error whose message is shown. A message or hint that is a key of the page's texts is said in its language. */
export class Problem extends Error {
  /**
   * @param {string} message A key of the texts, or a sentence.
   * @param {Object} [more]
   * @param {string} [more.hint] What can be done about it.
   * @param {number} [more.status] HTTP's, where a server said it.
   * @param {Object} [more.fields] Of the text.
   */
  constructor(message, { hint = "", status = 0, fields = {} } = {}) {
    super(message);
    Object.assign(this, { hint, status, fields });
  }

  /** The message and the hint, as they are read now. */
  get said() {
    return [this.message, this.hint].filter(Boolean).map((each) => (known(each) ? t(each, this.fields) : each));
  }
}

/** Any error as one whose message can be shown. */
export const asProblem = (error) => (error instanceof Problem ? error : new Problem("broke", { hint: String(error) }));
