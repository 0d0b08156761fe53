// Finds hands in pictures: MediaPipe's hand landmarker (vision/), set as the project's own finder is (finder.json).

import { HandLandmarker } from "./vision/vision_bundle.mjs";

const SETTLED = 3; // looks at a still picture: by the palm, then twice in the square by the hand's own points
const SAME_HAND = 0.7; // two boxes are of one hand if a larger share of one lies in the other

/** Loads the finder; `settings` is the content of finder.json. */
export async function loadFinder(settings) {
  const many = await loadLandmarker(settings, settings.hands);
  return new Finder(many, settings.hands > 1 ? await loadLandmarker(settings, 1) : many, settings);
}

function loadLandmarker(settings, numHands) {
  return HandLandmarker.createFromOptions(
    { wasmLoaderPath: "./vision/vision_wasm_internal.js", wasmBinaryPath: "./vision/vision_wasm_internal.wasm" },
    {
      baseOptions: { modelAssetPath: "./hand_landmarker.task", delegate: "CPU" },
      runningMode: "VIDEO",
      numHands,
      minHandDetectionConfidence: settings.detection,
      minHandPresenceConfidence: settings.presence,
      minTrackingConfidence: settings.tracking,
    },
  );
}

/**
 * Finds hands. A hand has points, 21 pairs of x and y as shares of the picture's width and height, and a box, likewise
 * [x1, y1, x2, y2].
 *
 * A landmarker of several hands searches every whole frame in which it sees fewer, which takes twice the time. So one
 * of a single hand follows it, and that of several looks now and then.
 */
class Finder {
  constructor(many, one, settings) {
    Object.assign(this, { many, one, settings });
    this.time = 0;
    this.untilLook = 0;
  }

  /** The hands in the next frame of a film, a canvas; hands of the last one are followed. */
  next(frame) {
    if (this.untilLook > 0) {
      this.untilLook--;
      return this.find(this.one, frame);
    }
    const hands = this.find(this.many, frame);
    if (hands.length < 2) this.untilLook = this.settings.lookForMore;
    return hands;
  }

  find(landmarker, frame) {
    this.time = Math.max(this.time + 1, performance.now()); // it must grow
    const hands = landmarker.detectForVideo(frame, this.time).landmarks.map((marks) => {
      const points = marks.map(({ x, y }) => [x, y]);
      return { points, box: boxAround(points, frame.width, frame.height, this.settings.boxMargin) };
    });
    return distinct(hands).sort((one, other) => one.box[0] - other.box[0]);
  }

  /** The hands in a still picture: with a border first, for hands that fill it, then as it is. */
  async still(picture) {
    for (const share of [this.settings.border, 0]) {
      const border = Math.round(share * Math.max(picture.width, picture.height));
      const hands = await this.look(withBorder(picture, border), border, picture);
      if (hands.length) return hands;
    }
    return [];
  }

  async look(canvas, border, picture) {
    await this.many.setOptions({ runningMode: "VIDEO" }); // forgets the hands of the last picture
    let hands = [];
    for (let look = 0; look < SETTLED; look++) hands = this.find(this.many, canvas);
    return hands.map(({ points }) => {
      const moved = points.map(([x, y]) => [
        (x * canvas.width - border) / picture.width,
        (y * canvas.height - border) / picture.height,
      ]);
      return { points: moved, box: boxAround(moved, picture.width, picture.height, this.settings.boxMargin) };
    });
  }
}

/** A picture on a canvas, with its outermost pixels repeated around it. */
function withBorder(picture, border) {
  const { width, height } = picture;
  const canvas = new OffscreenCanvas(width + 2 * border, height + 2 * border);
  const drawing = canvas.getContext("2d");
  const columns = [[0, 1, 0, border], [0, width, border, width], [width - 1, 1, border + width, border]];
  const rows = [[0, 1, 0, border], [0, height, border, height], [height - 1, 1, border + height, border]];
  for (const [left, wide, x, w] of columns) {
    for (const [top, high, y, h] of rows) if (w && h) drawing.drawImage(picture, left, top, wide, high, x, y, w, h);
  }
  return canvas;
}

/** The box around points as annotators draw it; `margin`: left, top, right, bottom, shares of their longer side. */
function boxAround(points, width, height, margin) {
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const [x1, y1, x2, y2] = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  const longer = Math.max((x2 - x1) * width, (y2 - y1) * height);
  const [left, top, right, bottom] = margin.map((share) => share * longer);
  return [x1 - left / width, y1 - top / height, x2 + right / width, y2 + bottom / height].map((each) =>
    Math.min(Math.max(each, 0), 1));
}

/** Hands without any whose box lies in a larger one. */
function distinct(hands) {
  const kept = [];
  for (const hand of hands.toSorted((one, other) => area(other.box) - area(one.box))) {
    if (kept.every((other) => shared(hand.box, other.box) <= SAME_HAND * area(hand.box))) kept.push(hand);
  }
  return kept;
}

function shared(one, other) {
  const wide = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const high = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  return Math.max(wide, 0) * Math.max(high, 0);
}

function area([x1, y1, x2, y2]) {
  return (x2 - x1) * (y2 - y1);
}
