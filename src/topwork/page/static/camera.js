// A photograph by this device's camera, in a window of its own; the camera is off whenever the window is closed.

import { find } from "./dom.js";
import { t } from "./words.js";

const FAULTS = {
  NotAllowedError: "camera_refused",
  NotFoundError: "camera_missing",
  OverconstrainedError: "camera_missing",
};

let photographs = 0;

/**
 * Offer the camera where the browser has one to offer, which it does on secure pages alone.
 * @param {Object<string, function(Object[])>} receivers Who is given the photograph, by the button that asks for it.
 */
export function offerCamera(receivers) {
  if (!navigator.mediaDevices?.getUserMedia) return;
  const [dialog, video, take, state] = ["camera-window", "video", "take", "camera-state"].map(find);
  let stream = null;
  let given = null;

  const tell = (key) => (state.textContent = key && t(key));
  const off = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = video.srcObject = null;
    take.disabled = true;
  };

  const begin = async () => {
    dialog.showModal();
    tell("camera_starting");
    try {
      const ideal = { facingMode: { ideal: "environment" }, width: { ideal: 1920 }, height: { ideal: 1080 } };
      const started = await navigator.mediaDevices.getUserMedia({ video: ideal, audio: false });
      stream = started;
      if (!dialog.open) return off(); // closed while the user was asked
      video.srcObject = started;
      await video.play();
      tell("");
      take.disabled = false;
      take.focus();
    } catch (error) {
      off();
      tell(FAULTS[error.name] ?? "camera_busy");
    }
  };
  for (const [id, receiver] of Object.entries(receivers)) {
    find(id).hidden = false;
    find(id).addEventListener("click", () => {
      given = receiver;
      begin();
    });
  }
  find("close-camera").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", off);
  take.addEventListener("click", async () => {
    const blob = await still(video);
    dialog.close();
    given([{ name: t("photographed", { number: (photographs += 1) }), blob }]);
  });
}

/** What the video shows now, as a JPEG. */
function still(video) {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
}
