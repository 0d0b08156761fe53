import { GESTURES, OPENING, VIDEO, WHAT_YOU_CAN_DO, banner, bars, cameraPage } from "gestures-camera";

const ARROWS = ["up", "down"];

// The recorder on the page: it shows the state that the server sends, and sends keys.
export default {
  template: `
    <div class="gc">
      <div class="gc-view" :class="{ 'gc-small': !live && phase === 'on' }" v-show="phase !== 'over'">
        ${VIDEO}
        <div v-if="state.flash" class="gc-flash"></div>
        <div v-if="state.countdown" class="gc-countdown" role="timer">{{ state.countdown }}</div>
        ${banner("live && message")}
      </div>
      <div class="gc-side" v-if="phase === 'on'">
        ${OPENING}

        <template v-if="state.screen === 'asking'">
          <h2 class="gc-title">{{ state.title }}</h2>
          <p>{{ state.why }}</p>
          <form @submit.prevent="answer(typed)">
            <q-input v-model="typed" outlined autofocus :label="'A name'" maxlength="80" aria-label="A name"></q-input>
            <q-btn type="submit" color="primary" no-caps label="Go on" class="q-mt-sm" :disable="!typed.trim()"></q-btn>
          </form>
          <div v-if="state.known.length" class="q-mt-md">
            <div class="gc-muted">or one of before:</div>
            <q-btn v-for="name in state.known.slice(0, 12)" :key="name" outline no-caps class="q-ma-xs" :label="name"
              @click="answer(name)"></q-btn>
          </div>
        </template>

        <template v-if="state.screen === 'ready'">
          <h2 class="gc-title">{{ state.title }}</h2>
          <div class="text-h6">{{ state.wanted }} <span class="gc-muted text-body2">{{ state.progress }}</span></div>
          <div>{{ state.reason }}</div>
          <div class="q-mt-sm">{{ state.rule }}</div>
          <figure v-if="state.example" class="gc-example">
            <figcaption class="gc-muted">{{ state.example_text }}</figcaption>
            <img :src="pictures[state.example]" alt="an example of the hand to perform">
          </figure>
        </template>

        <template v-if="state.screen === 'recording'">
          <h2 class="gc-title">{{ state.title }}</h2>
          <div class="row items-baseline q-gutter-sm">
            <span class="gc-count" aria-live="polite">{{ state.kept }}</span>
            <span class="text-h6">{{ state.count === null ? 'hands kept' : 'of ' + state.count }}</span>
            <span class="gc-muted" v-if="state.seconds !== null">{{ state.seconds }} s left</span>
            <span class="gc-muted">{{ state.progress }}</span>
          </div>
          <q-linear-progress v-if="state.count" :value="state.kept / state.count" size="10px" color="positive"
            aria-label="pictures kept"></q-linear-progress>
          <div v-if="state.alarms">false alarms: {{ state.alarms }}</div>
          <div class="gc-muted">{{ state.reasons }}</div>
          <div>{{ state.why }}</div>
          <div class="gc-muted">{{ state.keeping }}</div>
          <div class="row q-gutter-xs q-my-sm">
            <img v-for="name in state.latest" :key="name" :src="pictures[name]" class="gc-latest" alt="a kept picture">
          </div>
        </template>

        <div v-if="live && state.prediction !== undefined" class="q-mt-sm">
          <div class="gc-muted">
            {{ state.judge ? 'the model says' : 'no model yet' }}
            <span v-if="state.prediction && state.prediction.learned">
              (learned: {{ state.prediction.learned }} kept)</span>
          </div>
          <div v-if="state.judge && !state.prediction">no hand</div>
          <template v-if="state.prediction">
            ${bars("state.prediction.gestures")}
          </template>
        </div>
        <div v-if="live" class="gc-muted q-mt-sm">
          <div v-if="rate" class="gc-rate">{{ rate }}</div>
          {{ state.subject || 'nobody named' }}<span v-if="state.room">, {{ state.room }}</span>
          <div v-if="state.masked">All but the hand is blurred before it is saved.</div>
        </div>

        <template v-if="state.screen === 'choosing'">
          <h2 class="gc-title">{{ state.title }}</h2>
          <div class="row q-gutter-xs">
            <img v-for="name in state.pictures" :key="name" :src="pictures[name]" class="gc-tile" alt="one of the set">
          </div>
          <div class="row q-gutter-xs q-mt-sm">${GESTURES}</div>
        </template>

        <template v-if="state.screen === 'reviewing'">
          <h2 class="gc-title">{{ state.title }}</h2>
          <div class="gc-muted">{{ state.progress }}. → is the model's answer. A click drops a picture, or takes it back.
          </div>
          <div class="gc-sheet" ref="sheet">
            <button v-for="(each, number) in state.pictures" :key="each.key" type="button"
              :class="{ 'gc-here': number === state.cursor, 'gc-dropped': each.dropped }" :aria-pressed="each.dropped"
              :aria-label="'picture ' + (number + 1) + ', ' + each.gesture + (each.says ? ', the model says ' + each.says
                : '') + (each.dropped ? ', dropped' : '')" @click="press(each.key)">
              <img :src="pictures[each.picture]" alt="">
              <span v-if="each.dropped">dropped</span>
              <span v-else>{{ each.own || !each.says ? each.gesture : '' }} {{ each.says ? '→ ' + each.says : '' }}</span>
            </button>
          </div>
        </template>

        <template v-if="state.screen === 'finished'">
          <h2 class="gc-title">{{ total }}</h2>
          <q-markup-table v-if="state.sets.length" flat bordered dense wrap-cells>
            <thead><tr><th class="text-left">gesture</th><th class="text-right">pictures</th>
              <th class="text-left">goes to</th></tr></thead>
            <tbody><tr v-for="each in state.sets"><td>{{ each.gesture }}</td>
              <td class="text-right">{{ each.pictures }}</td><td>{{ each.goes_to }}</td></tr></tbody>
          </q-markup-table>
        </template>

        <div v-if="!live && message" class="gc-note" role="status">{{ message.text }}</div>
        ${WHAT_YOU_CAN_DO}
      </div>
    </div>`,
  mixins: [cameraPage],
  data: () => ({ typed: "" }),
  computed: {
    takesKeys() {
      return this.state.screen !== "asking";
    },
    live() {
      return this.phase === "off" || ["ready", "recording"].includes(this.state.screen);
    },
    message() {
      const { banner, screen } = this.state;
      const news = this.news();
      if (news) return news;
      if (screen === "ready") return { text: "Press Space to start", kind: "neutral" };
      return banner;
    },
    total() {
      const count = this.state.sets.reduce((sum, each) => sum + each.pictures, 0);
      return count ? `${count} ${count === 1 ? "picture" : "pictures"} saved` : "Nothing was recorded";
    },
  },
  methods: {
    answer(name) {
      const before = [...(this.state.typed || "")].map(() => "backspace");
      this.camera.press([...before, ...[...name].map((sign) => (sign === " " ? "space" : sign)), "enter"]);
      this.typed = "";
    },
    choose(gesture, line) {
      if (gesture.key) return this.press(gesture.key);
      const steps = line - this.state.line;
      this.camera.press([...Array(Math.abs(steps)).fill(steps < 0 ? "up" : "down"), "enter"]);
    },
    isButton(key) {
      return Boolean(key.key) && !ARROWS.includes(key.key);
    },
    // On a narrow screen the sheet has fewer columns than the server knows; a row is what is seen here.
    press(key) {
      const sheet = this.state.screen === "reviewing" && ARROWS.includes(key) && this.$refs.sheet;
      if (!sheet) return this.camera.press([key]);
      const columns = getComputedStyle(sheet).gridTemplateColumns.split(" ").length;
      const at = this.state.cursor + (key === "up" ? -columns : columns);
      if (at < 0 || at >= this.state.pictures.length) return;
      this.camera.press(Array(columns).fill(key === "up" ? "left" : "right"));
    },
    isMain(key) {
      return this.state.screen === "ready" ? key.key === "space" : key.key === "enter";
    },
  },
};
