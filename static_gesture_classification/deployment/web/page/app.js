// The page: a camera, a video or a picture in; the hands with their gestures out.

import { drawHands } from "./drawing.js";
import { loadFinder } from "./finder.js";
import { GestureNetwork } from "./network.js";

const LONGEST = 1280; // pixels of a picture's longer side; larger ones are reduced
const SHOWN = 3; // gestures of a hand that are listed
const COUNTED = 2000; // milliseconds that frames a second are counted over
const SPOKEN = 1000; // least milliseconds between two announcements for those who listen

const by = (id) => document.getElementById(id);
const [camera, file, pause, status, stage, canvas, results, rate, spoken] =
  ["camera", "file", "pause", "status", "stage", "canvas", "results", "rate", "spoken"].map(by);
const video = document.createElement("video");
Object.assign(video, { muted: true, playsInline: true, loop: true });
const held = new OffscreenCanvas(1, 1);

let finder, network;
let shown = 0; // raised when another source is shown; what belongs to an earlier one then ends
let frames = []; // when the last frames were recognised
let lastSpoken = { text: "", time: 0 };

start();

async function start() {
  try {
    const [description, settings] = await Promise.all([readJson("network.json"), readJson("finder.json")]);
    network = new GestureNetwork(description);
    finder = await loadFinder(settings);
  } catch (error) {
    fail(`The page could not start: ${error.message ?? error}. It needs a browser of 2023 or later, and a web server ` +
      "(not a file that is opened by a double click).");
    return;
  }
  camera.disabled = file.disabled = false;
  say(`Ready. It knows ${network.names.length - (network.background < 0 ? 0 : 1)} gestures.`);
  document.body.dataset.state = "ready";
}

async function readJson(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name} is missing (${answer.status})`);
  return answer.json();
}

camera.addEventListener("click", () => (isCamera() ? stop() : openCamera()));
pause.addEventListener("click", () => (video.paused ? video.play() : video.pause()));
video.addEventListener("play", showPause);
video.addEventListener("pause", showPause);
file.addEventListener("change", () => {
  if (file.files.length) openFile(file.files[0]);
  file.value = "";
});

async function openCamera() {
  stop();
  const mine = shown;
  say("Waiting for the camera …");
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, facingMode: "user" } });
    if (mine !== shown) return stream.getTracks().forEach((track) => track.stop());
    stream.getVideoTracks()[0].addEventListener("ended", () => fail("The camera was taken away. Start it again."));
    video.srcObject = stream;
    camera.textContent = "Stop camera";
    await video.play();
    stage.classList.toggle("mirrored", stream.getVideoTracks()[0].getSettings().facingMode !== "environment");
    say("Show a hand to the camera.");
    follow(mine);
  } catch (error) {
    if (mine === shown) {
      stop();
      fail(cameraProblem(error));
    }
  }
}

function cameraProblem(error) {
  if (!navigator.mediaDevices) return "Browsers give the camera to https:// pages and to localhost only. Open it there.";
  if (error.name === "NotAllowedError") return "The camera is not allowed. Allow it beside the address, and start again.";
  if (error.name === "NotFoundError") return "There is no camera. Choose a picture or a video instead.";
  return `The camera does not start (${error.message}). Another program may use it.`;
}

async function openFile(chosen) {
  stop();
  const mine = shown;
  say(`Reading ${chosen.name} …`);
  const picture = chosen.type.startsWith("video/") ? null : await createImageBitmap(chosen).catch(() => null);
  if (mine !== shown) return;
  if (picture) return showPicture(await reduced(picture), chosen.name, mine);
  video.src = URL.createObjectURL(chosen);
  try {
    await video.play();
  } catch {
    if (mine !== shown) return;
    stop();
    return fail(`${chosen.name} is no picture or video that this browser can read. JPEG, PNG and MP4 (H.264) work everywhere.`);
  }
  say(`${chosen.name} is repeated until you choose something else.`);
  follow(mine);
}

async function reduced(picture) {
  const scale = LONGEST / Math.max(picture.width, picture.height);
  if (scale >= 1) return picture;
  const [resizeWidth, resizeHeight] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * scale)));
  return createImageBitmap(picture, { resizeWidth, resizeHeight, resizeQuality: "high" });
}

async function showPicture(picture, name, mine) {
  const hands = await finder.still(picture);
  if (mine !== shown) return;
  show(picture, hands);
  say(hands.length ? name : `No hand found in ${name}.`);
}

function stop() {
  shown++;
  video.pause();
  video.srcObject?.getTracks().forEach((track) => track.stop());
  if (video.src) URL.revokeObjectURL(video.src);
  video.srcObject = null;
  video.removeAttribute("src");
  video.load();
  frames = [];
  camera.textContent = "Start camera";
  pause.hidden = true;
  stage.classList.remove("mirrored", "full");
  results.replaceChildren();
  rate.textContent = "";
  say("Choose a source.");
}

/** Recognise each new frame of the video, until something else is shown. */
function follow(mine) {
  if (mine !== shown) return;
  if (video.videoWidth && !video.paused) {
    const frame = snapshot();
    show(frame, finder.next(frame));
    countFrame();
  }
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(() => follow(mine));
  else requestAnimationFrame(() => follow(mine));
}

/** The frame that is shown now: while its hands are looked for, the video goes on. */
function snapshot() {
  const scale = Math.min(1, LONGEST / Math.max(video.videoWidth, video.videoHeight));
  const [width, height] = [video.videoWidth, video.videoHeight].map((side) => Math.max(1, Math.round(side * scale)));
  if (held.width !== width || held.height !== height) Object.assign(held, { width, height });
  held.getContext("2d", { willReadFrequently: true }).drawImage(video, 0, 0, width, height);
  return held;
}

function countFrame() {
  const now = performance.now();
  frames = [...frames.filter((time) => now - time < COUNTED), now];
  const seconds = (now - frames[0]) / 1000;
  if (seconds > 0) rate.textContent = `${((frames.length - 1) / seconds).toFixed(0)} frames a second`;
}

function show(picture, hands) {
  const { width, height } = picture;
  const answers = hands.map((hand) => {
    const answer = network.answer(hand.points.map(([x, y]) => [x * (width / height), y])); // in units of the height
    return { ...hand, ...answer, gesture: label(answer.best) };
  });
  stage.classList.add("full");
  drawHands(canvas, picture, answers, stage.classList.contains("mirrored"));
  results.replaceChildren(...answers.map(card));
  announce(answers.map(({ gesture }) => gesture).join(", ") || "no hand");
}

/** A gesture as people say it. */
function label(index) {
  if (index === network.background) return "None of these";
  const words = network.names[index].replaceAll("_", " ").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function card(hand, number) {
  const best = hand.probabilities.map((share, index) => ({ share, name: label(index) }))
    .sort((one, other) => other.share - one.share).slice(0, SHOWN);
  const item = element("li", { className: `card hand-${number}` });
  item.append(
    element("p", { className: "which", textContent: `Hand ${number + 1}` }),
    element("p", { className: "gesture", textContent: hand.gesture }),
    element("p", { className: "probability", textContent: percent(hand.probabilities[hand.best]) }),
    element("table", {}, best.map(({ share, name }) => element("tr", {}, [
      element("th", { scope: "row", textContent: name }),
      element("td", { className: "bar" }, [bar(share)]),
      element("td", { className: "share", textContent: percent(share) }),
    ]))),
  );
  return item;
}

function bar(share) {
  const filled = element("span", { ariaHidden: "true" });
  filled.style.setProperty("width", `${100 * share}%`);
  return filled;
}

function element(name, properties, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function percent(share) {
  return `${(100 * share).toFixed(0)} %`;
}

function announce(text) {
  const now = performance.now();
  if (text === lastSpoken.text || now - lastSpoken.time < SPOKEN) return;
  lastSpoken = { text, time: now };
  spoken.textContent = text;
}

function isCamera() {
  return video.srcObject !== null;
}

function showPause() {
  pause.hidden = !(video.srcObject || video.src);
  pause.textContent = video.paused ? "Go on" : "Pause";
}

function say(text) {
  status.classList.remove("problem");
  status.textContent = text;
}

function fail(text) {
  say(text);
  status.classList.add("problem");
}
