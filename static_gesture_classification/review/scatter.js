// Points on a map. They are written into one image, pixel by pixel: 20,000 take some milliseconds without a graphics
// card. The pointer draws a lasso or a rectangle; a ring does on the keyboard what the pointer does.
const SHAPES = [
  "M 1 0 A 1 1 0 1 1 -1 0 A 1 1 0 1 1 1 0 Z",
  "M 0 -1.15 L 1.1 0.85 L -1.1 0.85 Z",
  "M -0.9 -0.9 H 0.9 V 0.9 H -0.9 Z",
  "M 0 -1.25 L 1.25 0 L 0 1.25 L -1.25 0 Z",
  "M -0.4 -1.15 H 0.4 V -0.4 H 1.15 V 0.4 H 0.4 V 1.15 H -0.4 V 0.4 H -1.15 V -0.4 H -0.4 Z",
];
const MARGIN = 1.05; // places lie in -1..1
const CLOSE = 12; // pixels from the pointer to a point that is meant
const STEP = 90; // pixels of a long step of the ring
const STEADY = 120; // ms that a point is pointed at before it is described
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export default {
  template: `
    <div class="sc">
      <div class="sc-legend" role="group" aria-label="Kinds that are shown">
        <button v-for="(kind, number) in kinds" :key="kind.name" type="button" :aria-pressed="!hidden.includes(number)"
          @click="toggle(number)"><svg viewBox="-1.5 -1.5 3 3" aria-hidden="true"><path :d="shape(kind)"
          :fill="kind.colour"></path></svg>{{ kind.name }} <span>{{ kind.count.toLocaleString("en") }}</span></button>
        <button v-if="hidden.length" type="button" class="sc-all" @click="showAll">Show all</button>
      </div>
      <div class="sc-view" ref="view">
        <canvas ref="points" aria-hidden="true"></canvas>
        <canvas ref="marks" tabindex="0" role="application" aria-roledescription="map" :aria-label="label"
          :style="{ cursor: mode === 'move' ? 'grab' : 'crosshair' }" @keydown="press" @focus="draw" @blur="leave"
          @wheel.prevent="turn" @pointerdown="down" @pointermove="over" @pointerup="up" @pointercancel="stop"
          @pointerleave="away"></canvas>
        <div v-if="tip" class="sc-tip" :style="tip.place"><img v-show="tip.picture" :src="tip.address" alt=""
          @load="tip.picture = true" @error="tip.picture = false">{{ tip.text }}</div>
        <div class="sc-zoom">
          <q-btn round dense unelevated icon="add" aria-label="Zoom in (+)" @click="zoomBy(1.5)"></q-btn>
          <q-btn round dense unelevated icon="remove" aria-label="Zoom out (-)" @click="zoomBy(1 / 1.5)"></q-btn>
          <q-btn round dense unelevated icon="zoom_out_map" aria-label="The whole map (0)" @click="whole"></q-btn>
        </div>
      </div>
      <div class="row items-center q-gutter-sm">
        <q-btn-toggle v-model="mode" no-caps dense unelevated padding="4px 10px" toggle-color="primary"
          aria-label="What the pointer does" :options="modes"></q-btn-toggle>
        <q-btn no-caps outline dense padding="4px 10px" @click="chooseShown">Choose all that is shown</q-btn>
        <span class="row items-center no-wrap q-gutter-xs">
          <q-btn no-caps outline dense padding="4px 10px" :disable="at < 0" @click="chooseNearest">Choose the
            nearest</q-btn>
          <q-input v-model.number="count" type="number" min="1" max="1000" dense outlined style="width: 84px"
            aria-label="How many of the nearest"></q-input>
        </span>
        <q-btn no-caps outline dense padding="4px 10px" icon="clear" @click="clear">Clear</q-btn>
      </div>
      <details class="sc-keys"><summary>How to use the map, with a mouse or by keys</summary>
        <p>Mouse: draw around samples; the wheel zooms; a click opens a sample and puts the ring there.</p>
        <p>Keys, once the map has the focus: <kbd>arrows</kbd> move a ring from sample to sample, with
          <kbd>Shift</kbd> in long steps; <kbd>+</kbd> <kbd>-</kbd> zoom, <kbd>0</kbd> shows the whole map;
          <kbd>Enter</kbd> opens the sample; <kbd>Space</kbd> begins a rectangle, arrows draw it, <kbd>Space</kbd>
          chooses what it holds; <kbd>N</kbd> chooses the nearest, <kbd>A</kbd> all that is shown; <kbd>Esc</kbd>
          clears. The kinds above the map are buttons that hide and show them.</p></details>
      <div class="sc-spoken" role="status">{{ spoken }}</div>
    </div>`,
  props: { places: String, of: String, legend: Array, samples: Array, label: String },
  emits: ["choose", "open", "at"],
  data() {
    return {
      kinds: this.legend, hidden: [], mode: "lasso", tip: null, spoken: "", count: 30, at: -1,
      modes: [
        { label: "Lasso", value: "lasso", icon: "gesture" },
        { label: "Rectangle", value: "rectangle", icon: "crop_square" },
        { label: "Move", value: "move", icon: "open_with" },
      ],
    };
  },
  created() {
    // None of these is watched: they are large, and drawn by hand.
    this.chosen = null;
    this.path = null;
    this.corner = -1;
    this.pointers = new Map();
    this.sprites = new Map();
    this.view = { zoom: 1, x: 0, y: 0 };
    this.place(this.places);
    this.sort(this.of);
  },
  mounted() {
    this.watcher = new ResizeObserver(() => this.resize());
    this.watcher.observe(this.$refs.view);
    this.resize();
  },
  unmounted() {
    this.watcher.disconnect();
    clearTimeout(this.waiting);
  },
  methods: {
    // ---- what the server sends -----------------------------------------------------------------------------------
    arrange(places) {
      this.place(places);
      this.draw();
    },
    colour(of, legend) {
      this.kinds = legend;
      this.hidden = [];
      this.sprites.clear();
      this.sort(of);
      this.draw();
    },
    describe(sample, text) {
      if (sample !== this.shown) return;
      if (this.tip) this.tip.text = text;
      this.spoken = text;
    },
    place(places) {
      this.xy = new Float32Array(bytes(places).buffer);
    },
    sort(of) {
      this.kindOf = bytes(of);
      // The rare kinds come last, and so lie on top.
      const starts = this.kinds.map(() => 0);
      for (const kind of this.kindOf) starts[kind]++;
      for (let kind = 0, sum = 0; kind < starts.length; kind++) [starts[kind], sum] = [sum, sum + starts[kind]];
      this.order = new Uint32Array(this.kindOf.length);
      this.kindOf.forEach((kind, row) => { this.order[starts[kind]++] = row; });
    },
    // ---- drawing -------------------------------------------------------------------------------------------------
    resize() {
      const { clientWidth, clientHeight } = this.$refs.view;
      if (!clientWidth || !clientHeight) return;
      this.ratio = window.devicePixelRatio || 1;
      this.width = clientWidth;
      this.height = clientHeight;
      for (const canvas of [this.$refs.points, this.$refs.marks]) {
        canvas.width = Math.round(clientWidth * this.ratio);
        canvas.height = Math.round(clientHeight * this.ratio);
      }
      this.image = new ImageData(this.$refs.points.width, this.$refs.points.height);
      this.draw();
    },
    draw() {
      if (this.asked || !this.image) return;
      this.asked = requestAnimationFrame(() => {
        this.asked = 0;
        if (!this.$refs.points) return;
        this.drawPoints();
        this.drawMarks();
      });
    },
    drawPoints() {
      const { width, height } = this.image, pixels = new Uint32Array(this.image.data.buffer);
      pixels.fill(0);
      const sprites = this.kinds.map((kind) => this.spritesOf(kind, width)), reach = sprites[0]?.bright.reach ?? 0;
      const [a, b, c, d] = this.projection(), { xy, kindOf, chosen, ratio } = this;
      const hidden = this.kinds.map((_, kind) => this.hidden.includes(kind));
      for (const row of this.order) {
        const kind = kindOf[row];
        if (hidden[kind]) continue;
        const x = Math.round((a * xy[2 * row] + b) * ratio), y = Math.round((c * xy[2 * row + 1] + d) * ratio);
        if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
        const { offsets, colours } = chosen && !chosen[row] ? sprites[kind].dim : sprites[kind].bright;
        const middle = y * width + x;
        for (let pixel = 0; pixel < offsets.length; pixel++) {
          const place = middle + offsets[pixel], colour = colours[pixel];
          // Soft edges show on empty ground alone; whatever is as solid covers what was there.
          if (pixels[place] >>> 24 <= colour >>> 24) pixels[place] = colour;
        }
      }
      this.$refs.points.getContext("2d").putImageData(this.image, 0, 0);
    },
    spritesOf(kind, width) {
      const zoomed = (this.xy.length < 10000 ? 3.5 : 2.5) * (1 + 0.25 * Math.log2(Math.max(this.view.zoom, 1)));
      const radius = Math.round(2 * Math.min(zoomed, 7) * this.ratio) / 2, key = `${kind.name} ${radius} ${width}`;
      if (!this.sprites.has(key)) {
        const bright = sprite(this.shape(kind), kind.colour, radius, width);
        const dim = { ...bright, colours: bright.colours.map((one) => (one & 0xffffff) | ((one >>> 26) << 24)) };
        this.sprites.set(key, { bright, dim });
      }
      return this.sprites.get(key);
    },
    drawMarks() {
      const canvas = this.$refs.marks, context = canvas.getContext("2d");
      context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
      context.clearRect(0, 0, this.width, this.height);
      context.strokeStyle = context.fillStyle = getComputedStyle(canvas).color;
      context.lineWidth = 2;
      const area = this.corner >= 0 ? this.rectangleTo(this.corner, this.at) : this.path;
      if (area?.length) {
        context.beginPath();
        area.forEach(([x, y]) => context.lineTo(...this.seen(x, y)));
        context.closePath();
        context.globalAlpha = 0.12;
        context.fill();
        context.globalAlpha = 1;
        context.stroke();
      }
      if (this.at >= 0) {
        const [x, y] = this.seen(this.xy[2 * this.at], this.xy[2 * this.at + 1]);
        for (const [colour, wide] of [[getComputedStyle(canvas).color, 5], ["#E69F00", 2.5]]) {
          context.strokeStyle = colour;
          context.lineWidth = wide;
          context.beginPath();
          context.arc(x, y, 11, 0, 2 * Math.PI);
          context.stroke();
        }
      }
      this.placeTip();
    },
    shape(kind) {
      return SHAPES[kind.shape % SHAPES.length];
    },
    // ---- places on the map and on the screen ---------------------------------------------------------------------
    projection() {
      const a = (this.width / 2 / MARGIN) * this.view.zoom, c = (-this.height / 2 / MARGIN) * this.view.zoom;
      return [a, this.width / 2 - a * this.view.x, c, this.height / 2 - c * this.view.y];
    },
    seen(x, y) {
      const [a, b, c, d] = this.projection();
      return [a * x + b, c * y + d];
    },
    meant(x, y) {
      const [a, b, c, d] = this.projection();
      return [(x - b) / a, (y - d) / c];
    },
    pointer(event) {
      const box = this.$refs.marks.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    },
    *visible() {
      const [a, b, c, d] = this.projection();
      for (let row = 0; row < this.kindOf.length; row++) {
        if (this.hidden.includes(this.kindOf[row])) continue;
        yield [row, a * this.xy[2 * row] + b, c * this.xy[2 * row + 1] + d];
      }
    },
    nearestTo(x, y, within = Infinity, cost = (dx, dy) => Math.hypot(dx, dy)) {
      let best = -1, least = within;
      for (const [row, px, py] of this.visible()) {
        const now = cost(px - x, py - y);
        if (now < least) [best, least] = [row, now];
      }
      return best;
    },
    zoomBy(factor, x = null, y = null) {
      if (x === null) [x, y] = this.at >= 0 ? this.ring() : [this.width / 2, this.height / 2];
      const [mapX, mapY] = this.meant(x, y);
      this.view.zoom = Math.min(Math.max(this.view.zoom * factor, 1), 200);
      const [nowX, nowY] = this.meant(x, y);
      this.view.x = limited(this.view.x + mapX - nowX);
      this.view.y = limited(this.view.y + mapY - nowY);
      this.draw();
    },
    whole() {
      this.view = { zoom: 1, x: 0, y: 0 };
      this.draw();
    },
    // ---- the keyboard's ring -------------------------------------------------------------------------------------
    ring() {
      return this.seen(this.xy[2 * this.at], this.xy[2 * this.at + 1]);
    },
    press(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const step = STEPS[event.key];
      const others = {
        "+": () => this.zoomBy(1.5), "=": () => this.zoomBy(1.5), "-": () => this.zoomBy(1 / 1.5), 0: this.whole,
        Enter: () => this.at >= 0 && this.$emit("open", this.at), " ": this.rectangleByKeys, Escape: this.clear,
        n: this.chooseNearest, a: this.chooseShown,
      };
      const act = step ? () => this.step(...step, event.shiftKey) : others[event.key.length > 1 ? event.key :
        event.key.toLowerCase()];
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    },
    step(right, low, isLong) {
      if (this.at < 0) return this.ringAt(this.nearestTo(this.width / 2, this.height / 2));
      const [x, y] = this.ring(), at = this.at;
      // Along the arrow first: what lies aside costs more, and what lies behind is no choice.
      const ahead = (dx, dy) => {
        const along = dx * right + dy * low, aside = Math.abs(dx * low) + Math.abs(dy * right);
        return along > 0.01 && aside <= along * 1.5 ? along + 2 * aside : Infinity;
      };
      const long = (dx, dy) => (dx * right + dy * low > 0.01 ? Math.hypot(dx - STEP * right, dy - STEP * low) : Infinity);
      const next = this.nearestTo(x, y, Infinity, isLong ? long : ahead);
      this.ringAt(next < 0 ? at : next);
    },
    ringAt(row) {
      if (row < 0) return;
      this.at = row;
      const [x, y] = this.ring();
      if (x < 20 || y < 20 || x > this.width - 20 || y > this.height - 20) {
        this.view.x = limited(this.xy[2 * row]);
        this.view.y = limited(this.xy[2 * row + 1]);
      }
      this.pointAt(row);
      this.draw();
    },
    rectangleByKeys() {
      if (this.at < 0) return;
      if (this.corner < 0) {
        this.corner = this.at;
        this.spoken = "A rectangle begins here. Move to its other corner, and press Space again.";
        return this.draw();
      }
      this.path = this.rectangleTo(this.corner, this.at);
      this.corner = -1;
      this.chooseWithin("rectangle");
    },
    rectangleTo(one, other) {
      const edge = (axis) => [this.xy[2 * one + axis], this.xy[2 * other + axis]];
      // A point on the edge is meant as well.
      const [[x1, x2], [y1, y2]] = [0, 1].map(edge).map((ends) => [Math.min(...ends) - 1e-4, Math.max(...ends) + 1e-4]);
      return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];
    },
    // ---- the pointer ---------------------------------------------------------------------------------------------
    turn(event) {
      this.zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), ...this.pointer(event));
    },
    down(event) {
      if (event.button > 0) return;
      this.$refs.marks.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, this.pointer(event));
      this.start = this.pointer(event);
      this.tip = null;
      this.path = this.pointers.size > 1 || this.mode === "move" ? null : [this.meant(...this.start)];
    },
    over(event) {
      const now = this.pointer(event), before = this.pointers.get(event.pointerId);
      if (!before) return this.pointAt(this.nearestTo(...now, CLOSE));
      this.pointers.set(event.pointerId, now);
      if (this.pointers.size > 1) this.pinch(event.pointerId, before, now);
      else if (this.mode === "move") this.moveBy(now[0] - before[0], now[1] - before[1]);
      else if (this.mode === "lasso") this.path?.push(this.meant(...now));
      else if (this.path) this.path = box(this.meant(...this.start), this.meant(...now));
      this.draw();
    },
    up(event) {
      const now = this.pointer(event), alone = this.pointers.size === 1;
      this.pointers.delete(event.pointerId);
      if (!alone) return;
      if (Math.hypot(now[0] - this.start[0], now[1] - this.start[1]) < 4 && (this.path?.length ?? 0) < 6) {
        this.path = null;
        const row = this.nearestTo(...now, CLOSE);
        if (row >= 0) {
          this.at = row;
          this.$emit("open", row);
        }
      } else if (this.path?.length > 2) {
        return this.chooseWithin(this.mode);
      }
      this.draw();
    },
    stop(event) {
      this.pointers.delete(event.pointerId);
      this.path = null;
      this.draw();
    },
    pinch(moved, before, now) {
      this.path = null;
      const [, other] = [...this.pointers].find(([each]) => each !== moved);
      const apart = ([x, y]) => Math.max(Math.hypot(x - other[0], y - other[1]), 1);
      this.zoomBy(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    },
    moveBy(dx, dy) {
      const [a, , c] = this.projection();
      this.view.x = limited(this.view.x - dx / a);
      this.view.y = limited(this.view.y - dy / c);
    },
    // ---- what is pointed at --------------------------------------------------------------------------------------
    pointAt(row) {
      if (row === this.shown && this.tip) return;
      clearTimeout(this.waiting);
      this.shown = row;
      if (row < 0) {
        this.tip = null;
        return;
      }
      const kind = this.kinds[this.kindOf[row]].name;
      const address = `/thumbnails/${encodeURIComponent(this.samples[row])}`;
      this.tip = { text: kind, address, picture: true, place: {} };
      this.placeTip();
      this.waiting = setTimeout(() => this.$emit("at", row), STEADY);
    },
    placeTip() {
      if (!this.tip || this.shown < 0) return;
      const [x, y] = this.seen(this.xy[2 * this.shown], this.xy[2 * this.shown + 1]);
      const across = x > this.width / 2 ? { right: `${this.width - x + 16}px` } : { left: `${x + 16}px` };
      const down = y > this.height / 2 ? { bottom: `${this.height - y + 10}px` } : { top: `${y + 10}px` };
      this.tip.place = { ...across, ...down };
    },
    away() {
      if (this.at < 0 || document.activeElement !== this.$refs.marks) this.pointAt(-1);
    },
    leave() {
      this.corner = -1;
      this.pointAt(-1);
      this.draw();
    },
    // ---- what is chosen ------------------------------------------------------------------------------------------
    toggle(kind) {
      this.hidden = this.hidden.includes(kind) ? this.hidden.filter((one) => one !== kind) : [...this.hidden, kind];
      if (this.at >= 0 && this.hidden.includes(this.kindOf[this.at])) this.at = -1;
      this.draw();
    },
    showAll() {
      this.hidden = [];
      this.draw();
    },
    chooseWithin(how) {
      const corners = this.path.map(([x, y]) => this.seen(x, y));
      this.choose([...this.visible()].filter(([, x, y]) => inside(corners, x, y)).map(([row]) => row), how);
    },
    chooseShown() {
      const isSeen = (x, y) => x >= 0 && y >= 0 && x <= this.width && y <= this.height;
      this.path = null;
      this.choose([...this.visible()].filter(([, x, y]) => isSeen(x, y)).map(([row]) => row), "shown");
    },
    chooseNearest() {
      if (this.at < 0) return;
      const [x, y] = this.ring(), most = Math.min(Math.max(Math.round(this.count) || 1, 1), 1000);
      const near = [...this.visible()].map(([row, px, py]) => [row, Math.hypot(px - x, py - y)]);
      this.path = null;
      this.choose(near.sort((one, other) => one[1] - other[1]).slice(0, most).map(([row]) => row), "nearest");
    },
    choose(rows, how) {
      this.chosen = new Uint8Array(this.kindOf.length);
      for (const row of rows) this.chosen[row] = 1;
      this.spoken = `${rows.length} samples are chosen; they are listed below the map.`;
      this.$emit("choose", { rows, how });
      this.draw();
    },
    clear() {
      this.path = this.chosen = null;
      this.corner = -1;
      this.spoken = "Nothing is chosen.";
      this.$emit("choose", { rows: [], how: "" });
      this.draw();
    },
  },
};

function bytes(text) {
  return Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
}

function limited(value) {
  return Math.min(Math.max(value, -1), 1);
}

function box([x1, y1], [x2, y2]) {
  return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];
}

// Whether a polygon holds a place, by the number of its edges to the right of it.
function inside(corners, x, y) {
  let within = false;
  for (let here = 0, last = corners.length - 1; here < corners.length; last = here++) {
    const [x1, y1] = corners[here], [x2, y2] = corners[last];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) within = !within;
  }
  return within;
}

// A shape as pixels: their offsets in an image of some width, and their colours.
function sprite(shape, colour, radius, width) {
  const reach = Math.ceil(radius * 1.3) + 1, side = 2 * reach + 1;
  const context = Object.assign(document.createElement("canvas"), { width: side, height: side }).getContext("2d");
  context.translate(reach + 0.5, reach + 0.5);
  context.scale(radius, radius);
  context.fillStyle = colour;
  context.strokeStyle = "rgba(0, 0, 0, 0.3)";
  context.lineWidth = 0.35;
  const path = new Path2D(shape);
  context.fill(path);
  context.clip(path);
  context.stroke(path);
  const pixels = new Uint32Array(context.getImageData(0, 0, side, side).data.buffer), offsets = [], colours = [];
  pixels.forEach((pixel, place) => {
    if (!(pixel >>> 24)) return;
    offsets.push((Math.floor(place / side) - reach) * width + (place % side) - reach);
    colours.push(pixel);
  });
  return { offsets: Int32Array.from(offsets), colours: Uint32Array.from(colours), reach };
}
