import { cameraPage } from "gestures-camera";

// The live view on the page: it shows the state that the server sends, and sends keys.
export default {
  template: `
    <div class="gc" v-show="phase !== 'over'">
      <div class="gc-view">
        <video ref="video" muted playsinline :style="mirror ? 'transform: scaleX(-1)' : ''" aria-hidden="true"></video>
        <canvas ref="overlay" role="img" :aria-label="spoken"></canvas>
        <div v-if="phase === 'off'" class="gc-start"><slot></slot></div>
        <div v-if="message" class="gc-banner" :class="'gc-' + message.kind">
          <q-icon :name="icons[message.kind]" size="sm" class="q-mr-sm"></q-icon>{{ message.text }}
        </div>
      </div>
      <div class="gc-side" v-if="phase === 'on'">
        <div v-if="state.screen === 'opening'" class="row items-center q-gutter-sm">
          <q-spinner size="md" aria-hidden="true"></q-spinner><span role="status">{{ state.text }}</span>
        </div>
        <template v-if="state.screen === 'live' && state.said === null">
          <div v-if="!state.list.length" class="gc-title">no hand</div>
          <div v-for="hand in state.list">
            <div class="row items-baseline no-wrap">
              <span class="gc-title">{{ hand.gesture || '…' }}</span><q-space></q-space>
              <span class="gc-muted">{{ hand.side }}</span>
            </div>
            <div v-for="[name, share] in hand.gestures" class="gc-bar">
              <div :style="{ width: 100 * share + '%' }"></div>
              <span>{{ name }}</span><span>{{ Math.round(100 * share) }} %</span>
            </div>
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
          <div class="row q-gutter-xs">
            <q-btn v-for="gesture in state.gestures" :key="gesture.name" no-caps outline color="primary"
              @click="choose(gesture)">
              <kbd v-if="gesture.key" class="q-mr-sm">{{ gesture.key.toUpperCase() }}</kbd>{{ gesture.name }}
            </q-btn>
          </div>
        </template>
        <template v-if="state.screen === 'live'">
          <div v-if="rate" class="gc-rate gc-muted">{{ rate }}</div>
          <q-toggle :model-value="state.catching" @update:model-value="press($event ? 'catch on' : 'catch off')"
            label="Keep what was wrong" aria-label="Keep what was wrong"></q-toggle>
          <div v-if="!state.catching" class="gc-muted">Nothing is kept.</div>
          <div v-else class="gc-muted">{{ state.caught }} pictures kept so far. W keeps the last {{ state.seconds }} s:
            hands, not the room.</div>
        </template>
        <div class="gc-keys" role="group" aria-label="What you can do now" v-if="state.keys">
          <template v-for="key in state.keys" :key="key.key + key.does">
            <q-btn v-if="key.key" no-caps :outline="key.key !== 'w'" :color="key.key === 'w' ? 'primary' : undefined"
              @click="press(key.key)"><kbd class="q-mr-sm">{{ key.shown }}</kbd>{{ key.does }}</q-btn>
            <span v-else class="gc-hint gc-muted"><kbd>{{ key.shown }}</kbd> {{ key.does }}</span>
          </template>
        </div>
        <div class="gc-spoken" aria-live="polite">{{ state.notice }}</div>
      </div>
    </div>`,
  mixins: [cameraPage],
  computed: {
    takesKeys() {
      return this.state.screen === "live";
    },
    message() {
      const { trouble, camera, notice } = this.state;
      if (trouble || camera) return { text: trouble || camera, kind: "warning" };
      return notice ? { text: notice, kind: "neutral" } : null;
    },
  },
  methods: {
    choose(gesture) {
      if (gesture.key) this.press(gesture.key);
    },
  },
};
