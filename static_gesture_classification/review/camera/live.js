import { GESTURES, OPENING, VIDEO, WHAT_YOU_CAN_DO, banner, bars, cameraPage } from "gestures-camera";

// The live view on the page: it shows the state that the server sends, and sends keys.
export default {
  template: `
    <div class="gc" v-show="phase !== 'over'">
      <div class="gc-view">
        ${VIDEO}${banner("message")}
      </div>
      <div class="gc-side" v-if="phase === 'on'">
        ${OPENING}
        <template v-if="state.screen === 'live' && state.said === null">
          <div v-if="!state.list.length" class="gc-title">no hand</div>
          <div v-for="hand in state.list">
            <div class="row items-baseline no-wrap">
              <span class="gc-title">{{ hand.gesture || '…' }}</span><q-space></q-space>
              <span class="gc-muted">{{ hand.side }}</span>
            </div>
            ${bars("hand.gestures")}
          </div>
          <div v-if="state.begun.length" class="q-mt-sm">
            <div class="gc-muted">latest gestures</div>
            <div v-for="[gesture, score, time] in state.begun.slice(0, 5)" class="row">
              <span class="gc-muted" style="width: 5em">{{ time.toFixed(1) }} s</span>
              <span class="text-weight-medium">{{ gesture }}</span><q-space></q-space>
              <span class="gc-muted">{{ Math.round(100 * score) }} %</span>
            </div>
          </div>
        </template>
        <template v-if="state.screen === 'live' && state.said !== null">
          <h2 class="gc-title">What was meant?</h2>
          <div>The model said {{ state.said }}.</div>
          <div class="row q-gutter-xs">${GESTURES}</div>
        </template>
        <template v-if="state.screen === 'live'">
          <div v-if="rate" class="gc-rate gc-muted">{{ rate }}</div>
          <q-toggle :model-value="state.catching" @update:model-value="press($event ? 'catch on' : 'catch off')"
            label="Keep what was wrong" aria-label="Keep what was wrong"></q-toggle>
          <div v-if="!state.catching" class="gc-muted">Nothing is kept.</div>
          <div v-else class="gc-muted">{{ state.caught }} pictures kept so far. W keeps the last {{ state.seconds }} s:
            hands, not the room.</div>
        </template>
        ${WHAT_YOU_CAN_DO}
      </div>
    </div>`,
  mixins: [cameraPage],
  computed: {
    takesKeys() {
      return this.state.screen === "live";
    },
    message() {
      return this.news();
    },
  },
  methods: {
    choose(gesture) {
      if (gesture.key) this.press(gesture.key);
    },
    isMain(key) {
      return key.key === "w";
    },
  },
};
