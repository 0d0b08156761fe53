import { bars, drawHand } from "gestures-camera";

// A picture or video to try the model on: chosen, dropped or pasted.
export default {
  template: `
    <div class="gc-try">
      <div class="gc-drop" :class="{ 'gc-over': over }" @dragover.prevent="over = true" @dragleave="over = false"
        @drop.prevent="over = false; send($event.dataTransfer.files[0])">
        <q-btn no-caps outline icon="upload_file" color="primary" label="Choose a picture or a video"
          @click="$refs.file.click()"></q-btn>
        <span class="gc-muted">or drop one here, or paste one (Ctrl+V). At most {{ largest }} MB.</span>
        <input ref="file" type="file" accept="image/*,video/*" class="gc-spoken" tabindex="-1"
          aria-label="A picture or a video" @change="send($event.target.files[0]); $event.target.value = ''">
      </div>
      <div v-if="busy" class="row items-center q-gutter-sm" role="status">
        <q-spinner size="md" aria-hidden="true"></q-spinner><span>Looking at {{ busy }} …</span>
      </div>
      <div v-if="problem" class="gc-note gc-problem" role="alert">{{ problem }}</div>
      <template v-if="seen">
        <div class="gc-muted" role="status">{{ summary }}</div>
        <div :class="seen.kind === 'video' ? 'gc-frames' : 'gc-one'">
          <figure v-for="picture in seen.pictures" :key="picture.name">
            <div class="gc-picture">
              <img :src="picture.address" :alt="says(picture)" @load="draw($event.target, picture)">
              <canvas aria-hidden="true"></canvas>
            </div>
            <figcaption v-if="seen.kind === 'video'">{{ picture.time === null ? '' : picture.time.toFixed(1) + ' s: ' }}
              {{ says(picture) }}</figcaption>
          </figure>
          <div v-if="seen.kind === 'picture'" class="gc-side">
            <div v-if="!seen.pictures[0].hands.length" class="gc-title">no hand found</div>
            <div v-for="(hand, number) in seen.pictures[0].hands" :key="number">
              <div class="gc-title">{{ hand.gesture }}</div>
              ${bars("hand.gestures")}
              <q-btn-dropdown v-if="catching" no-caps outline class="q-mt-xs" label="That was wrong: it was …">
                <q-list><q-item v-for="name in gestures" :key="name" clickable v-close-popup
                  @click="wrong(seen.pictures[0], number, name)"><q-item-section>{{ name }}</q-item-section></q-item>
                </q-list>
              </q-btn-dropdown>
            </div>
            <q-toggle v-if="seen.pictures[0].hands.length" v-model="catching" label="Keep what was wrong"
              aria-label="Keep what was wrong"></q-toggle>
            <div class="gc-muted">{{ said || (catching ? 'Kept is the hand with a little around it.' :
              'Nothing is kept.') }}</div>
          </div>
        </div>
      </template>
    </div>`,
  props: { path: String, wrong_path: String, gestures: Array, largest: Number },
  emits: ["kept"],
  data: () => ({ over: false, busy: "", problem: "", seen: null, catching: false, said: "" }),
  computed: {
    summary() {
      if (this.seen.kind === "picture") return `Looked at in ${Math.round(1000 * this.seen.seconds)} ms by ${this.seen.judge}`;
      return `${this.seen.pictures.length} frames of the video, ${this.seen.rate} a second, by ${this.seen.judge}`;
    },
  },
  mounted() {
    this.onPaste = (event) => {
      const file = [...event.clipboardData.files].find((each) => /^(image|video)\//.test(each.type));
      if (file) this.send(file);
    };
    document.addEventListener("paste", this.onPaste);
  },
  unmounted() {
    document.removeEventListener("paste", this.onPaste);
  },
  methods: {
    says(picture) {
      return picture.hands.map((hand) => hand.label).join(", ") || "no hand";
    },
    async send(file) {
      if (!file || this.busy) return;
      this.problem = this.said = "";
      this.seen = null;
      if (file.size > 1e6 * this.largest) {
        this.problem = `${file.name} has ${(file.size / 1e6).toFixed(0)} MB; at most ${this.largest} MB are read ` +
          "(review.largest_upload).";
        return;
      }
      this.busy = file.name || "the picture";
      const answer = await this.post(this.path, file);
      this.busy = "";
      if (answer) this.seen = answer;
    },
    async wrong(picture, hand, gesture) {
      const headers = { "content-type": "application/json" };
      const answer = await this.post(this.wrong_path, JSON.stringify({ picture: picture.name, hand, gesture }), headers);
      if (!answer) return;
      this.said = answer.said;
      this.$emit("kept");
    },
    async post(path, body, headers = { "content-type": "application/octet-stream" }) {
      try {
        const response = await fetch(path, { method: "POST", body, headers });
        const text = await response.text();
        const answer = text.startsWith("{") ? JSON.parse(text) : { problem: text };
        if (response.ok && !answer.problem) return answer;
        this.problem = answer.problem || "The server did not understand this.";
      } catch (error) {
        this.problem = "The server does not answer; start it again with gestures app.";
      }
      return null;
    },
    draw(image, picture) {
      const canvas = image.nextElementSibling;
      const ratio = window.devicePixelRatio || 1;
      const width = image.clientWidth, height = image.clientHeight;
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      const context = canvas.getContext("2d");
      context.scale(ratio, ratio);
      for (const hand of picture.hands) {
        drawHand(context, { ...hand, kind: "neutral" }, (x) => x * width, (y) => y * height, width);
      }
    },
  },
};
