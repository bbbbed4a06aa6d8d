// Finds things in a picture and draws a box around each.

import { keynetFunction, Storage, Triton } from "@keynet/inference";
import { classColor, Picture } from "@keynet/inference/imaging";

import { detectionsOf, type Detection, LABELS, SIDE } from "./detections.ts";

const input = {
  type: "object",
  properties: {
    image_url: { type: "string", description: "The picture, PNG or JPEG: a URL, `s3://bucket/key`, or a key of the default bucket." },
    threshold: { type: "number", minimum: 0, maximum: 1, default: 0.5, description: "Detections with a lower score are left out; 0 to 1." },
    model: {
      type: "string",
      default: "detector",
      description: "The model: `detector`, or one version of it as `detector:3` or `models:/detector@champion`.",
    },
  },
  required: ["image_url"],
} as const;

export const main = keynetFunction(
  { name: "image-detection-typescript", description: "Finds things in a picture and draws a box around each.", input },
  async ({ image_url, threshold, model }) => {
    const storage = new Storage();
    const picture = Picture.decode(await storage.get(image_url));
    const outputs = await new Triton(model).predict({ input_0: picture.resize(SIDE, SIDE).toTensor("FP32") });
    const rows = outputs.get("output_0", "FP32").data();
    const detections = detectionsOf(rows, threshold, picture.width, picture.height);
    draw(picture, detections);
    const { url } = await storage.put(picture.encodePng(), { contentType: "image/png" });
    return { url, detections };
  },
);

/** Draws a box and a label for each detection, the best on top. No line crosses a letter. */
function draw(picture: Picture, detections: readonly Detection[]): void {
  const worstFirst = detections.toReversed();
  for (const { label, box } of worstFirst) picture.drawBox(box, colorOf(label));
  for (const { label, score, box } of worstFirst) {
    picture.drawLabel(`${label} ${(score * 100).toFixed(0)}%`, box[0], box[1], colorOf(label));
  }
}

function colorOf(label: string): ReturnType<typeof classColor> {
  return classColor(LABELS.indexOf(label));
}
