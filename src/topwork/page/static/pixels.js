// From a file to pixels, as topwork decodes them: upright, on white, colour profiles not applied.

import { Problem } from "./problem.js";

const MOST = 89e6; // pixels, as topwork has it

/**
 * Decode one image, whole.
 * @param {Blob} blob
 * @returns {Promise<{data: Uint8Array, width: number, height: number}>} RGB, row by row.
 */
export async function pixelsOf(blob) {
  const how = { imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(blob, how).catch(() => {
    throw new Problem("no_image", { status: 422 });
  });
  try {
    const { width, height } = bitmap;
    if (width * height > MOST) throw new Problem("too_large", { status: 413 });
    return { data: withoutAlpha(drawn(bitmap)), width, height };
  } finally {
    bitmap.close();
  }
}

function drawn(bitmap) {
  const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
  // In this memory, not a graphics card's, whose rounding is its own.
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  try {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height).data;
  } catch {
    throw new Problem("too_large", { status: 413 });
  } finally {
    canvas.width = canvas.height = 0; // its memory is given back at once
  }
}

function withoutAlpha(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    rgb[to++] = rgba[from];
    rgb[to++] = rgba[from + 1];
    rgb[to++] = rgba[from + 2];
  }
  return rgb;
}
