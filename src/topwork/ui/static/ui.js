// What a page does beyond its forms: it follows the state, sends files, and changes a row in its place.
import { follow } from "./live.js";
import { mending } from "./mend.js";
import { uploads } from "./upload.js";

follow();
mending(document);
uploads(document.querySelector("[data-drop]"));
