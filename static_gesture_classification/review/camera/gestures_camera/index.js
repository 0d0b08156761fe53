// The browser's camera: pictures go to the server over a websocket, its states come back, hands are drawn over the video.

const CONNECTIONS = [
  [0, 1], [1, 2], [2, 3], [3, 4], [0, 5], [5, 6], [6, 7], [7, 8], [5, 9], [9, 10], [10, 11], [11, 12],
  [9, 13], [13, 14], [14, 15], [15, 16], [13, 17], [17, 18], [18, 19], [19, 20], [0, 17],
];
const COLOURS = { good: "#00C896", warning: "#FFB000", neutral: "#56B4E9", other: "#BBBBBB" };
const LONGEST_SIDE = 1280; // of a picture that is sent
const QUALITY = 0.94;
const UNDER_WAY = 2; // pictures that the server may be busy with
const IDLE_MS = 500; // between two pictures while the server does not look at them
const LOST_MS = 1500; // after which a picture without an answer no longer counts as under way
const RATE_OVER_MS = 2000;

const KEYS = {
  " ": "space", Enter: "enter", Escape: "escape", Backspace: "backspace", Delete: "delete", Tab: "",
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", PageUp: "page up", PageDown: "page down",
};

export const WHY_NO_CAMERA = {
  NotAllowedError: "The browser may not use the camera. Allow it beside the address of this page, then try again.",
  NotFoundError: "The browser finds no camera. Plug one in, then try again.",
  NotReadableError: "The camera does not open. Close other programs that show it, then try again.",
  insecure: "Browsers give the camera only to this machine itself and to https addresses. Open the page from the QR " +
    "code of review.share_on_lan=true, or at http://localhost.",
};

// The name of a pressed key as the recorder knows it; "" for none of its keys.
export function keyName(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return "";
  const at = event.target;
  if (at.closest && at.closest("input, textarea, select, [contenteditable], .q-dialog, .q-menu")) return "";
  if (at.closest && at.closest("button, a") && (event.key === " " || event.key === "Enter")) return "";
  if (event.key in KEYS) return KEYS[event.key];
  return event.key.length === 1 ? event.key : "";
}

export class GesturesCamera {
  // video, overlay: elements; path: of the websocket; shown, ended: called with a state, and at the end.
  constructor({ video, overlay, path, size, rate, mirror, shown, ended }) {
    Object.assign(this, { video, overlay, path, size, rate, mirror, shown, ended });
    this.pictures = {};
    this.sent = new Map(); // number of a picture -> when it was sent
    this.number = 0;
    this.looks = true;
    this.lastSent = 0;
    this.answers = []; // [when, milliseconds since it was sent] of pictures that were looked at
    this.looked = new Map(); // number of a picture -> the canvas that holds it
    this.encoding = false;
  }

  async open() {
    if (!navigator.mediaDevices) throw new Error(WHY_NO_CAMERA.insecure);
    const [width, height] = this.size;
    const wanted = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: this.rate } };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { ...wanted, facingMode: "user" }, audio: false });
    } catch (error) {
      throw new Error(WHY_NO_CAMERA[error.name] || `The camera does not open (${error.message}).`);
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    const protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(`${protocol}//${location.host}${this.path}`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    this.socket.onclose = () => this.finish();
    this.timer = setInterval(() => this.pump(), 1000 / Math.max(this.rate, 1) / 2);
  }

  press(keys) {
    if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ keys }));
  }

  close() {
    if (this.socket) this.socket.close();
    this.finish();
  }

  finish() {
    if (this.over) return;
    this.over = true;
    clearInterval(this.timer);
    if (this.stream) this.stream.getTracks().forEach((track) => track.stop());
    this.draw([]);
    this.ended();
  }

  receive(message) {
    Object.assign(this.pictures, message.pictures || {});
    const state = message.state;
    if (state.looks !== undefined) this.looks = state.looks;
    const now = performance.now();
    if (this.sent.has(state.frame)) {
      this.answers.push([now, now - this.sent.get(state.frame)]);
      this.answered = now;
      for (const number of [...this.sent.keys()]) if (number <= state.frame) this.sent.delete(number);
      for (const number of [...this.looked.keys()]) if (number < state.frame) this.looked.delete(number);
    }
    while (this.answers.length && now - this.answers[0][0] > RATE_OVER_MS) this.answers.shift();
    this.draw(state.hands || [], this.looks ? this.looked.get(state.frame) : undefined);
    this.shown(state);
  }

  // Pictures a second that came back, and for how many milliseconds one was under way.
  get figures() {
    const count = this.answers.length;
    if (count < 2) return { rate: 0, delay: 0 };
    const span = this.answers[count - 1][0] - this.answers[0][0];
    const delays = this.answers.map((each) => each[1]).sort((one, other) => one - other);
    return { rate: (1000 * (count - 1)) / span, delay: delays[count >> 1] };
  }

  pump() {
    const { video, socket } = this;
    if (this.encoding || !socket || socket.readyState !== WebSocket.OPEN || !video.videoWidth) return;
    const now = performance.now();
    for (const [number, when] of this.sent) {
      if (now - when > LOST_MS) [this.sent, this.looked].forEach((known) => known.delete(number));
    }
    if (this.answered && now - this.answered > LOST_MS) this.forget();
    const wait = this.looks ? 1000 / this.rate : IDLE_MS;
    if (now - this.lastSent < wait - 2 || this.sent.size >= UNDER_WAY || socket.bufferedAmount > 1e6) return;
    this.lastSent = now;
    this.encode();
  }

  encode() {
    const { video } = this;
    const canvas = document.createElement("canvas");
    const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    this.encoding = true;
    canvas.toBlob(async (blob) => {
      this.encoding = false;
      if (!blob || this.over) return;
      const jpeg = new Uint8Array(await blob.arrayBuffer());
      const message = new Uint8Array(4 + jpeg.length);
      const number = this.number++;
      new DataView(message.buffer).setUint32(0, number);
      message.set(jpeg, 4);
      if (this.socket.readyState !== WebSocket.OPEN) return;
      this.sent.set(number, performance.now());
      this.looked.set(number, canvas);
      this.socket.send(message);
    }, "image/jpeg", QUALITY);
  }

  // The video alone is shown, while nothing comes back.
  forget() {
    this.answered = 0;
    this.draw([]);
  }

  // The hands, in the picture that they were found in: the video itself is ahead of it.
  draw(hands, picture) {
    const { overlay, video } = this;
    const ratio = window.devicePixelRatio || 1;
    const width = overlay.clientWidth, height = overlay.clientHeight;
    if (overlay.width !== Math.round(width * ratio) || overlay.height !== Math.round(height * ratio)) {
      overlay.width = Math.round(width * ratio);
      overlay.height = Math.round(height * ratio);
    }
    const context = overlay.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const place = placeIn(video.videoWidth, video.videoHeight, width, height);
    const x = (value) => place.left + (this.mirror ? 1 - value : value) * place.width;
    const y = (value) => place.top + value * place.height;
    if (picture) {
      context.save();
      if (this.mirror) context.transform(-1, 0, 0, 1, width, 0);
      context.drawImage(picture, place.left, place.top, place.width, place.height);
      context.restore();
    }
    for (const hand of hands) drawHand(context, hand, x, y, width);
  }
}

// Where a picture lies in a box that shows all of it ("object-fit: contain").
export function placeIn(pictureWidth, pictureHeight, width, height) {
  const scale = Math.min(width / (pictureWidth || 1), height / (pictureHeight || 1));
  const shown = { width: pictureWidth * scale, height: pictureHeight * scale };
  return { ...shown, left: (width - shown.width) / 2, top: (height - shown.height) / 2 };
}

export function drawHand(context, hand, x, y, width) {
  const colour = COLOURS[hand.kind] || COLOURS.other;
  const [x1, y1, x2, y2] = hand.box;
  const left = Math.min(x(x1), x(x2)), top = y(y1), wide = Math.abs(x(x2) - x(x1)), high = y(y2) - top;
  context.lineWidth = 3;
  context.strokeStyle = colour;
  context.setLineDash(hand.kind === "warning" ? [10, 5] : []); // not by colour alone
  context.strokeRect(left, top, wide, high);
  context.setLineDash([]);
  if (hand.landmarks.length === 21) {
    context.lineWidth = 2;
    context.strokeStyle = "rgba(255, 255, 255, 0.75)";
    context.beginPath();
    for (const [from, to] of CONNECTIONS) {
      context.moveTo(x(hand.landmarks[from][0]), y(hand.landmarks[from][1]));
      context.lineTo(x(hand.landmarks[to][0]), y(hand.landmarks[to][1]));
    }
    context.stroke();
    context.fillStyle = colour;
    for (const [px, py] of hand.landmarks) {
      context.beginPath();
      context.arc(x(px), y(py), 3, 0, 2 * Math.PI);
      context.fill();
    }
  }
  if (!hand.label) return;
  context.font = "600 17px Roboto, sans-serif";
  const long = context.measureText(hand.label).width + 14;
  const at = Math.max(0, Math.min(left, width - long)), up = top > 28 ? top - 27 : top + 2;
  context.fillStyle = colour;
  context.fillRect(at, up, long, 25);
  context.fillStyle = "#0c1016";
  context.fillText(hand.label, at + 7, up + 18);
}

// Parts of templates. A page with a camera has the computed `message`, and the methods of `cameraPage` below.

export const VIDEO = `
  <video ref="video" muted playsinline :style="mirror ? 'transform: scaleX(-1)' : ''" aria-hidden="true"></video>
  <canvas ref="overlay" role="img" :aria-label="spoken"></canvas>
  <div v-if="phase === 'off'" class="gc-start"><slot></slot></div>`;

export const banner = (condition) => `
  <div v-if="${condition}" class="gc-banner" :class="'gc-' + message.kind">
    <q-icon :name="icons[message.kind]" size="sm" class="q-mr-sm"></q-icon>{{ message.text }}
  </div>`;

export const OPENING = `
  <div v-if="state.screen === 'opening'" class="row items-center q-gutter-sm">
    <q-spinner size="md" aria-hidden="true"></q-spinner><span role="status">{{ state.text }}</span>
  </div>`;

// Gestures with their shares; `list` is an expression.
export const bars = (list) => `
  <div v-for="[name, share] in ${list}" class="gc-bar">
    <div :style="{ width: 100 * share + '%' }"></div>
    <span>{{ name }}</span><span>{{ Math.round(100 * share) }} %</span>
  </div>`;

export const GESTURES = `
  <q-btn v-for="(gesture, line) in state.gestures" :key="gesture.name" no-caps :outline="line !== state.line"
    color="primary" @click="choose(gesture, line)">
    <kbd v-if="gesture.key" class="q-mr-sm">{{ gesture.key.toUpperCase() }}</kbd>{{ gesture.name }}
  </q-btn>`;

export const WHAT_YOU_CAN_DO = `
  <div class="gc-keys" role="group" aria-label="What you can do now" v-if="state.keys">
    <template v-for="key in state.keys" :key="key.key + key.does">
      <q-btn v-if="isButton(key)" no-caps :outline="!isMain(key)" :color="isMain(key) ? 'primary' : undefined"
        @click="press(key.key)"><kbd class="q-mr-sm">{{ key.shown }}</kbd>{{ key.does }}</q-btn>
      <span v-else-if="takesKeys" class="gc-hint gc-muted"><kbd>{{ key.shown }}</kbd> {{ key.does }}</span>
    </template>
  </div>
  <div class="gc-spoken" aria-live="polite">{{ state.notice }}</div>`;

// What all pages with a camera share: it opens the camera, shows states, and sends keys.
export const cameraPage = {
  props: { path: String, size: Array, rate_wanted: Number, mirror: Boolean },
  emits: ["over"],
  data: () => ({
    phase: "off", // off, on, over
    state: {},
    pictures: {},
    rate: "",
    icons: { good: "check_circle", warning: "tips_and_updates", neutral: "info", other: "hourglass_empty" },
  }),
  computed: {
    spoken() {
      const hands = this.state.hands || [];
      const labels = hands.map((hand) => hand.label).filter(Boolean);
      return `The camera's picture: ${hands.length ? labels.join(", ") || "a hand" : "no hand"}`;
    },
  },
  mounted() {
    this.onKey = (event) => {
      const key = this.phase === "on" && this.takesKeys ? keyName(event) : "";
      if (!key) return;
      event.preventDefault();
      this.press(key);
    };
    document.addEventListener("keydown", this.onKey);
  },
  unmounted() {
    document.removeEventListener("keydown", this.onKey);
    if (this.camera) this.camera.close();
  },
  methods: {
    async start(query) {
      if (this.phase === "on") return;
      this.phase = "on";
      this.last = null;
      this.state = { screen: "opening", text: "Opening the camera." };
      this.camera = new GesturesCamera({
        video: this.$refs.video, overlay: this.$refs.overlay, path: this.path + query, size: this.size,
        rate: this.rate_wanted, mirror: this.mirror, shown: (state) => this.show(state), ended: () => this.end(),
      });
      this.pictures = this.camera.pictures;
      try {
        await this.camera.open();
      } catch (error) {
        this.last = { screen: "problem", text: error.message };
        this.camera.close();
      }
    },
    show(state) {
      if (["over", "problem"].includes(state.screen)) this.last = state;
      else this.state = state;
      const { rate, delay } = this.camera.figures;
      this.rate = rate ? `${rate.toFixed(0)} a second, ${delay.toFixed(0)} ms behind` : "";
    },
    end() {
      if (this.phase !== "on") return;
      this.phase = "over";
      this.state = {};
      this.$emit("over", this.last || { screen: "over", sets: [], problems: [], lost: true });
    },
    press(key) {
      this.camera.press([key]);
    },
    isButton(key) {
      return Boolean(key.key);
    },
    // What is wrong, or what there is to say; null for nothing.
    news() {
      const { trouble, camera, notice } = this.state;
      if (trouble || camera) return { text: trouble || camera, kind: "warning" };
      return notice ? { text: notice, kind: "neutral" } : null;
    },
  },
};
