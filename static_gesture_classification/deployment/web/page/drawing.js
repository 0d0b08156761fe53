// Draws a picture with its hands: points, bones, and a box with the gesture and its probability.

import { BONES } from "./network.js";

// Blue and orange differ for every kind of colour blindness (Okabe and Ito); the second hand's box is dashed besides.
const COLOURS = ["#56b4e9", "#e69f00"];
const HALO = "#101418";

/** Draws a picture, left and right swapped if it is `mirrored`, and its hands; texts stay readable. */
export function drawHands(canvas, picture, hands, mirrored) {
  const { width, height } = picture;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const drawing = canvas.getContext("2d");
  const unit = Math.max(width, height) / 640; // of lines
  const place = ([x, y]) => [(mirrored ? 1 - x : x) * width, y * height];
  drawing.save();
  if (mirrored) drawing.setTransform(-1, 0, 0, 1, width, 0);
  drawing.drawImage(picture, 0, 0);
  drawing.restore();
  hands.forEach((hand, number) => drawHand(drawing, hand, number, place, unit));
}

function drawHand(drawing, hand, number, place, unit) {
  const colour = COLOURS[number % COLOURS.length];
  const points = hand.points.map(place);
  const [[left, top], [right, bottom]] = [hand.box.slice(0, 2), hand.box.slice(2)].map(place);
  const lines = new Path2D();
  for (const [start, end] of BONES) {
    lines.moveTo(...points[start]);
    lines.lineTo(...points[end]);
  }
  const dots = new Path2D();
  for (const [x, y] of points) {
    dots.moveTo(x + 3 * unit, y);
    dots.arc(x, y, 3 * unit, 0, 2 * Math.PI);
  }
  const box = new Path2D();
  box.rect(Math.min(left, right), top, Math.abs(right - left), bottom - top);
  stroke(drawing, lines, colour, 2 * unit);
  stroke(drawing, box, colour, 3 * unit, number % 2 ? [10 * unit, 6 * unit] : []);
  drawing.fillStyle = HALO;
  drawing.fill(dots);
  stroke(drawing, dots, colour, 1.5 * unit);
  write(drawing, `${number + 1}: ${hand.gesture}`, Math.min(left, right), top, colour, unit);
}

/** A line with a dark edge, so that it is seen on any picture. */
function stroke(drawing, path, colour, width, dashes = []) {
  drawing.setLineDash(dashes);
  for (const [style, wide] of [[HALO, width * 2], [colour, width]]) {
    drawing.strokeStyle = style;
    drawing.lineWidth = wide;
    drawing.stroke(path);
  }
  drawing.setLineDash([]);
}

/** A text above the point, or below it where there is no room. */
function write(drawing, text, x, y, colour, unit) {
  const size = 18 * unit;
  drawing.font = `600 ${size}px system-ui, sans-serif`;
  drawing.textBaseline = "middle";
  const wide = drawing.measureText(text).width + size * 0.7, high = size * 1.4;
  const left = Math.max(0, Math.min(x, drawing.canvas.width - wide));
  const top = y >= high ? y - high : y;
  drawing.fillStyle = HALO;
  drawing.fillRect(left, top, wide, high);
  drawing.fillStyle = colour;
  drawing.fillText(text, left + size * 0.35, top + high / 2);
}
