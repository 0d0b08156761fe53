// The landmark network: features of a hand's 21 points, dense layers, calibrated probabilities.
// The same as training/models/landmark_features.py and training/answers.py; parity.json holds Python's answers.

const FORMAT = 1;
const FEATURES = 2; // of landmark_features.FEATURES_VERSION
const SMALLEST = 1e-4;
const WRIST = 0, INDEX_KNUCKLE = 5, LITTLE_KNUCKLE = 17, THUMB_TIP = 4;
const TIPS = [4, 8, 12, 16, 20];
const BASES = [2, 5, 9, 13, 17]; // the joint that each finger turns about

/** The 20 bones, each from one point to another, finger by finger from the wrist outwards. */
export const BONES = range(1, 21).map((end) => [end % 4 === 1 ? WRIST : end - 1, end]);
const BENDS = range(0, 19).filter((bone) => bone % 4 !== 3); // bones whose successor belongs to the same finger
const REACHES = [
  ...TIPS.flatMap((first, k) => TIPS.slice(k + 1).map((second) => [first, second])),
  ...TIPS.map((tip) => [WRIST, tip]),
  ...TIPS.map((tip, finger) => [BASES[finger], tip]),
  ...range(5, 21).map((joint) => [THUMB_TIP, joint]),
];

/** Recognises gestures. `description` is the content of network.json. */
export class GestureNetwork {
  constructor(description) {
    if (description.version !== FORMAT || description.features !== FEATURES) {
      throw new Error("network.json was made by another version; build the page again (gestures web)");
    }
    const { names, background } = description.gestures;
    this.names = names;
    this.background = background === null ? -1 : names.indexOf(background);
    this.calibration = description.calibration;
    this.layers = description.layers.map(readLayer);
  }

  /**
   * The answer for one hand.
   * @param {number[][]} points 21 pairs of x and y, in MediaPipe's order, in a unit that is the same for both.
   * @returns {{probabilities: number[], strangeness: number, best: number}} `best` is the likeliest gesture's index;
   *     strangeness, 0 to 1: above 0.5 the answer is the background.
   */
  answer(points) {
    const logits = this.layers.reduce(applyLayer, Float64Array.from(features(points)));
    const scores = Array.from(logits, (logit, index) =>
      (logit + (index === this.background ? this.calibration.advantage : 0)) / this.calibration.temperature);
    const probabilities = softmax(scores);
    const known = Math.max(...scores.filter((_, index) => index !== this.background));
    const strangeness = this.background < 0 ? 0 : 1 / (1 + Math.exp(known - scores[this.background]));
    return { probabilities, strangeness, best: probabilities.indexOf(Math.max(...probabilities)) };
  }
}

/** Features of 21 points that do not change with the hand's place, size and side. */
export function features(points) {
  const hand = mirrorToOneSide(toUnitSize(points));
  const bones = BONES.map(([start, end]) => minus(hand[end], hand[start]));
  const lengths = bones.map(norm);
  const directions = bones.map(([x, y], bone) => [x / lengths[bone], y / lengths[bone]]);
  const reaches = REACHES.map(([start, end]) => norm(minus(hand[end], hand[start])));
  const turns = BENDS.map((bone) => [directions[bone], directions[bone + 1]]);
  const cosines = turns.map(([before, after]) => before[0] * after[0] + before[1] * after[1]);
  const sines = turns.map(([before, after]) => before[0] * after[1] - before[1] * after[0]);
  return [...hand.flat(), ...directions.flat(), ...lengths, ...reaches, ...cosines, ...sines];
}

function toUnitSize(points) {
  const middle = [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
  const centred = points.map((point) => minus(point, middle));
  const square = centred.reduce((sum, [x, y]) => sum + x * x + y * y, 0) / points.length;
  const scale = Math.max(Math.sqrt(square), SMALLEST ** 2);
  return centred.map(([x, y]) => [x / scale, y / scale]);
}

function mirrorToOneSide(hand) {
  const index = minus(hand[INDEX_KNUCKLE], hand[WRIST]);
  const little = minus(hand[LITTLE_KNUCKLE], hand[WRIST]);
  const side = index[0] * little[1] - index[1] * little[0] < 0 ? -1 : 1;
  return hand.map(([x, y]) => [side * x, y]);
}

function readLayer({ inputs, outputs, relu, weights }) {
  const bytes = Uint8Array.from(atob(weights), (sign) => sign.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const numbers = Float32Array.from({ length: bytes.length / 4 }, (_, k) => view.getFloat32(4 * k, true));
  return { inputs, outputs, relu, weights: numbers, bias: numbers.subarray(inputs * outputs) };
}

function applyLayer(values, layer) {
  const result = new Float64Array(layer.outputs);
  for (let row = 0; row < layer.outputs; row++) {
    let sum = layer.bias[row];
    for (let k = 0, at = row * layer.inputs; k < layer.inputs; k++, at++) sum += layer.weights[at] * values[k];
    result[row] = layer.relu ? Math.max(sum, 0) : sum;
  }
  return result;
}

function softmax(scores) {
  const highest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - highest));
  const sum = powers.reduce((one, other) => one + other, 0);
  return powers.map((power) => power / sum);
}

function minus(one, other) {
  return [one[0] - other[0], one[1] - other[1]];
}

function norm([x, y]) {
  return Math.max(Math.sqrt(x * x + y * y), SMALLEST);
}

function range(from, to) {
  return Array.from({ length: to - from }, (_, k) => from + k);
}
