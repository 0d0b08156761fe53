"""One round of the loop for newcomers: see what is confused, record exactly that, retrain, know that it got better.

    make loop

Everything happens in a folder of its own (`walkthrough.folder`), by the commands that you would type there, each shown
with what it does and why. A video stands in for the camera (without one, drawn hands); one person alone performs, so
sessions are kept apart and not people (`splits.group=session`): the scores tell how well the model knows this person.
What is done is not done again; when all is done, the next call begins anew.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig
from PIL import Image
from rich.markup import escape
from typing_extensions import TypedDict

from static_gesture_classification.active_learning.planning.plan_file import read_plan
from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.configuration import PROJECT, entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.runs import read_record
from static_gesture_classification.file_data import read_json
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.frames import frames
from static_gesture_classification.preparation.index import read_sources
from static_gesture_classification.samples import BOX, image_path
from static_gesture_classification.sources.recorded import RecordedImage, Session, write_session
from static_gesture_classification.sources.source import sources_from_config
from static_gesture_classification.terminal import console

PACKAGE = "static_gesture_classification."
SOURCES = "sources=[synthetic,recorded]"
PERFORMER, DRAWN, CLIPS, DONE = "performer", "drawn", "clips", "done.json"
HELD_OUT, GAP = 0.3, 0.1  # shares of each gesture's frames: the first are held out, the next belong to neither
EVERY = 2  # of the held-out frames one is taken: neighbours look alike
LEAST_FRAMES, FRAMES_DRAWN = 10, 30


@dataclass(frozen=True)
class Shot:
    """A picture of a gesture: where it is, and the hand's box (x1, y1, x2, y2, normalised)."""

    image: Path
    box: tuple[float, ...]


@dataclass(frozen=True)
class Step:
    """One step: what it is called, why it is done, and the command (module and overrides, or script)."""

    title: str
    why: str
    arguments: Sequence[str]


@entry_point
def main(config: DictConfig) -> None:
    """Walk through one round."""
    start = time.perf_counter()
    folder = Path(config.walkthrough.folder)
    begin(folder)
    rounds = Round(config, folder)
    rounds.step("Hands that nobody has recorded", WHY_SYNTHETIC, rounds.synthetic())
    clips = rounds.clips()
    rounds.hold_out(clips)
    rounds.step("A first model", WHY_FIRST, rounds.retrain())
    rounds.step("What it confuses", WHY_CONFUSIONS, rounds.active_learning("confusions", "confusions"))
    rounds.step("What to record next", WHY_PLAN, rounds.plan())
    for gesture in rounds.to_record(clips):
        rounds.step(f"Record {gesture}", WHY_RECORD, rounds.record(gesture))
    rounds.step("Retrain, and the verdict", WHY_VERDICT, rounds.retrain())
    rounds.close(time.perf_counter() - start)


WHY_SYNTHETIC = (
    "Every gesture of conf/gestures has a pose in conf/poses, so there are pictures of it, and landmarks, at once. "
    "Like photographs, they come from many people, of whom some are kept for val and test."
)
WHY_PERFORMER = "Other drawn people, whom no model has seen, perform every gesture."
WHY_HOLD_OUT = (
    "The first third of what the camera sees is kept for val, whole: the model never learns from it, so it says how "
    "good the model is before this camera. In your own recordings admission.held_out sees to that."
)
WHY_FIRST = (
    "The quick loop: index, crops, split, landmarks, training, evaluation in one process. Its model sees 21 landmarks "
    "of a hand, so it learns in seconds; `make repro` trains the model that sees pictures."
)
WHY_CONFUSIONS = (
    "Each directed pair (gesture, what it is taken for), with the weighted F1 at stake: what would be gained if this "
    "pair were right. The pictures behind each pair lie beside the tables."
)
WHY_PLAN = (
    "From those pairs, and from gestures with little data: what to record, how many, and why. The recorder follows it; "
    "you may too."
)
WHY_RECORD = (
    "The recorder watches the camera (here: the rest of the video) and keeps what the model gets wrong or is unsure "
    "of, and a few easy ones; near-identical, blurred and cut-off hands are left out. With a camera and a window: "
    "make record."
)
WHY_VERDICT = (
    "The new recordings join train; val stays what it was, so before and after can be compared. Weighted F1 "
    "with an interval, every gesture, the planned pairs, and whether to promote."
)


class Round:
    """One round in a folder: shows and runs the steps that are not done yet.

    Args:
        config: the configuration.
        folder: where everything happens.
    """

    def __init__(self, config: DictConfig, folder: Path) -> None:
        self.config, self.folder, self.settings = config, folder, config.walkthrough
        self.vocabulary = Vocabulary.from_config(config.gestures)
        self.number = 0

    # ---- the commands --------------------------------------------------------------------------------------------

    def synthetic(self) -> list[str]:
        """Draw hands as the world shows them, harder than the pipeline's default."""
        settings = (f"synthetic.images={self.settings.images}", f"synthetic.people={self.settings.people}")
        return ["-m", f"{PACKAGE}synthetic.generate", *settings, "synthetic.variety=1"]

    def performer(self, root: str) -> list[str]:
        """Draw one more person, who performs every gesture."""
        count = FRAMES_DRAWN * len(self.vocabulary)
        who = ("synthetic.people=3", "synthetic.val=0.33", "synthetic.test=0.33", "synthetic.seed=7")
        what = (f"synthetic.images={count}", "synthetic.variety=1", f"sources.synthetic.root={root}")
        return ["-m", f"{PACKAGE}synthetic.generate", *what, *who]

    def retrain(self) -> list[str]:
        """The quick loop on drawn hands and recordings."""
        return ["-m", f"{PACKAGE}active_learning.retrain", SOURCES, *self.common()]

    def active_learning(self, module: str, group: str) -> list[str]:
        """A command that reads the quick loop's predictions."""
        said = f"{group}.predictions=reports/quick/predictions/val.parquet"
        return ["-m", f"{PACKAGE}active_learning.{module}", said]

    def plan(self) -> list[str]:
        """The plan by the quick loop's predictions and split."""
        own = (f"plan.budget={self.settings.budget}", "plan.samples=data/quick/splits/samples.parquet")
        return [*self.active_learning("plan", "plan"), "plan.checkpoint=models/quick/best.ckpt", *own]

    def record(self, gesture: str) -> list[str]:
        """The recorder without a window, following the plan for one gesture."""
        script = os.path.relpath(PROJECT / "record_gestures.py", self.folder)
        what = (f"recording.source={CLIPS}/{gesture}", f"recording.gesture={gesture}", "window=none")
        who = (f"recording.subject={PERFORMER}", "recording.room=video", "admission.held_out=0")
        return [script, *what, *who, "recording.checkpoint=models/quick/best.ckpt", *self.common()]

    def common(self) -> list[str]:
        """What several commands need: one person alone, and where MediaPipe's model is."""
        given = Path(self.settings.model)
        model = given if given.is_file() else Path(self.config.detector.get("model", {}).get("path", "models"))
        return ["splits.group=session", f"detector.model.path={os.path.relpath(model, self.folder)}"]

    # ---- the camera ----------------------------------------------------------------------------------------------

    def clips(self) -> Mapping[str, Sequence[Shot]]:
        """What the camera sees, by gesture: of the video where it is there and described, else of drawn hands."""
        video = Path(self.settings.video)
        truth = video.with_suffix(".json")
        if video.is_file() and truth.is_file():
            return frames_by_gesture(video, truth, self.folder / CLIPS / "frames", self.vocabulary)
        missing = f"There is no {video} with a .json beside it, so drawn hands stand before the camera."
        console.print(f"[yellow]{escape(missing)}[/]", highlight=False, soft_wrap=True)
        root = f"{CLIPS}/{DRAWN}"
        self.step("A performer", WHY_PERFORMER, self.performer(root))
        return drawn_by_gesture(self.config, self.folder / root, self.vocabulary)

    def hold_out(self, clips: Mapping[str, Sequence[Shot]]) -> None:
        """Keep the first part of each gesture as a session of val, the last part as the recorder's clip."""
        self.say("What your camera sees, kept for val", WHY_HOLD_OUT, None)
        for gesture, shots in clips.items():
            first, last = int(HELD_OUT * len(shots)), int((HELD_OUT + GAP) * len(shots))
            held_out_session(self.folder / "data/recorded" / f"held-out-{gesture}", gesture, shots[:first:EVERY])
            clip = self.folder / CLIPS / gesture
            clip.mkdir(parents=True, exist_ok=True)
            for number, shot in enumerate(shots[last:]):
                shutil.copy2(shot.image, clip / f"{number:04d}{shot.image.suffix}")
        console.print(
            f"in {self.folder / 'data/recorded'}: {', '.join(clips)}", highlight=False, soft_wrap=True, markup=False
        )

    def to_record(self, clips: Mapping[str, Sequence[Shot]]) -> list[str]:
        """The plan's gestures that the camera sees, most worthwhile first."""
        plan = read_plan(self.folder / self.config.plan.path, self.vocabulary)
        planned = dict.fromkeys(line.gesture for line in plan.recordings)
        seen = [gesture for gesture in planned if gesture in clips]
        if len(seen) < len(planned):
            others = ", ".join(gesture for gesture in planned if gesture not in clips)
            console.print(
                f"the camera does not see {others}, which is left for another day", highlight=False, markup=False
            )
        if not seen:
            raise UserError("the plan asks for nothing that the camera sees; delete the folder and begin anew")
        return seen[: int(self.settings.recordings)]

    # ---- showing and running -------------------------------------------------------------------------------------

    def say(self, title: str, why: str, command: str | None) -> None:
        """Show a step."""
        self.number += 1
        console.print()
        console.rule(f"[bold]{self.number}. {escape(title)}[/]", align="left")
        console.print(why, highlight=False, markup=False)
        if command is not None:
            console.print(f"\n[bold cyan]$ {escape(command)}[/]\n", highlight=False, soft_wrap=True)

    def step(self, title: str, why: str, arguments: Sequence[str]) -> None:
        """Show and run a step, unless it is done.

        Raises:
            UserError: it failed (its own message stands above).
        """
        command = shlex.join(["python", *arguments])
        self.say(title, why, f"cd {self.folder} && {command}")
        done = read_record(self.folder / DONE) or {}
        key = f"{self.number} {command}"
        if key in done:
            console.print(f"done before, in {done[key]:.0f} s", highlight=False)
            return
        start = time.perf_counter()
        environment = {**os.environ, "COLUMNS": str(console.width)}
        ended = subprocess.run([sys.executable, *arguments], cwd=self.folder, env=environment)
        if ended.returncode != 0:
            raise UserError(
                f"{command} failed with status {ended.returncode} (see above); mend it and repeat make loop, which "
                "goes on from here"
            )
        seconds = time.perf_counter() - start
        write_json(self.folder / DONE, {**done, key: round(seconds, 1)})
        console.print(f"[green]{seconds:.0f} s[/]", highlight=False)

    def close(self, seconds: float) -> None:
        """Say where everything is, and what the same is with your own data."""
        write_json(self.folder / DONE, {**(read_record(self.folder / DONE) or {}), "all": round(seconds, 1)})
        console.print()
        console.rule(f"[bold]One round in {seconds:.0f} s[/]", align="left")
        for line in (
            f"before and after   {self.folder}/reports/quick/compare/comparison.png",
            f"confused pairs     {self.folder}/reports/confusions/",
            f"the plan           {self.folder}/reports/plan.md",
            f"what was recorded  {self.folder}/data/recorded/",
            "with your camera   make plan, make record, make retrain",
            "with your data     README.md; then make repro trains the model that sees pictures",
        ):
            console.print(line, highlight=False, soft_wrap=True, markup=False)


def begin(folder: Path) -> None:
    """Make the folder; what a finished round left in it goes."""
    if "all" in (read_record(folder / DONE) or {}):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)


class ShownHand(TypedDict):
    """A hand in a frame: its label, its box in pixels."""

    gesture: str
    bbox: tuple[float, float, float, float]


class ShownFrame(TypedDict):
    """A frame's number, from 0, and its hands."""

    frame: int
    hands: list[ShownHand]


def frames_by_gesture(video: Path, truth: Path, folder: Path, vocabulary: Vocabulary) -> dict[str, list[Shot]]:
    """Frames of a video that show one hand each, by gesture, saved as JPEG.

    Args:
        video: the video.
        truth: JSON, a list of {"frame": number, "hands": [{"gesture": label, "bbox": [x1, y1, x2, y2] in pixels}]};
            a label is a gesture's name in any case.
        folder: where frames are saved.
        vocabulary: other labels are left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    told = read_json(truth, list[ShownFrame], "it lists the hands of each frame: mend it")
    shown = {entry["frame"]: entry["hands"] for entry in told}
    shots: dict[str, list[Shot]] = {}
    for frame in frames(video):
        hands = shown.get(frame.index, [])
        gesture = hands[0]["gesture"].upper() if len(hands) == 1 else ""
        if gesture in vocabulary:
            path = folder / f"{frame.index:06d}.jpg"
            if not path.is_file():
                Image.fromarray(frame.image).save(path, quality=95)
            height, width = frame.image.shape[:2]
            box = tuple(value / side for value, side in zip(hands[0]["bbox"], (width, height) * 2, strict=True))
            shots.setdefault(gesture, []).append(Shot(path, tuple(min(max(value, 0.0), 1.0) for value in box)))
    return {gesture: found for gesture, found in shots.items() if len(found) >= LEAST_FRAMES}


def drawn_by_gesture(config: DictConfig, root: Path, vocabulary: Vocabulary) -> dict[str, list[Shot]]:
    """Drawn hands in HaGRID's layout, by gesture."""
    node = {**config.sources.synthetic, "root": str(root)}
    samples, _ = read_sources(sources_from_config({"synthetic": node}, config.seed), vocabulary)
    shots: dict[str, list[Shot]] = {}
    for row in samples.to_dict("records"):
        box = tuple(float(row[side]) for side in BOX)
        shots.setdefault(row["gesture"], []).append(Shot(image_path(row["root"], row["image"]), box))
    return {gesture: found for gesture, found in shots.items() if len(found) >= LEAST_FRAMES}


def held_out_session(folder: Path, gesture: str, shots: Sequence[Shot]) -> None:
    """A recorded session of val, of pictures as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for shot in shots:
        shutil.copy2(shot.image, folder / shot.image.name)
        images.append(RecordedImage(shot.image.name, shot.box))
    write_session(folder, Session(gesture, subject=PERFORMER, camera="video", split="val", images=tuple(images)))


if __name__ == "__main__":
    main()
