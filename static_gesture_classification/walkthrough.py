"""One round of the loop for newcomers: find confusions, record such samples, retrain, compare.

    make loop

Everything happens in a folder of its own (`loop.folder`), by the commands that you would type there; each is shown with
its purpose. A video replaces the camera (without one, drawn hands do). A single person performs, so splits keep
sessions apart, not subjects (`split.group=session`): the scores tell how well the model knows this person. Finished
steps are not repeated; when all are finished, the next call begins anew.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.active_learning.planning.plan_file import read_plan
from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.configuration import PROJECT, entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.checkpoint_record import read_checkpoint_record
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.performer import (
    PERFORMER,
    Shot,
    frames_by_gesture,
    group_by_gesture,
    write_held_out,
)
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.terminal import console, next_steps, note, say, show_heading
from static_gesture_classification.workspace import Workspace

COMMAND = "static_gesture_classification"
LOOP_SOURCES = "sources=[synthetic,recorded]"
DRAWN, CLIPS, DONE_FILE = "drawn", "clips", "done.json"
HELD_OUT_SHARE, GAP = 0.3, 0.1  # of each gesture's frames: the first part is held out, the next one is not used
EVERY = 2  # every second held-out frame is taken, since neighbours look alike
FRAMES_DRAWN = 30


class WalkthroughSettings(Settings, key="loop"):
    """How large the round is, and where; see conf/walkthrough.

    Args:
        folder: where everything happens.
        video: replaces a camera; a JSON beside it labels each frame. May be absent.
        images, subjects: synthetic hands that the first model learns from, and how many subjects show them.
        budget: samples that the plan asks for.
        recordings: gestures of the plan that are recorded.
        model: the detector's; may be absent.
        detector_model: used if `model` is absent.
        plan, quick: the plan and the quick loop's workspace, relative to the folder.
        synthetic: the node of the source of drawn hands.
        vocabulary: the gestures.
    """

    folder: Path
    video: Path
    images: int = Field(ge=1)
    subjects: int = Field(ge=1)
    budget: int = Field(ge=1)
    recordings: int = Field(ge=1)
    model: Path
    detector_model: Annotated[Path, At("detector.model.path")] = Path("models")
    plan: Annotated[Path, At("plan.path")]
    quick: Annotated[Workspace, At("retrain.paths")]
    synthetic: Annotated[dict[str, Any], At("sources.synthetic")]
    vocabulary: Vocabulary


@entry_point
def main(config: DictConfig) -> None:
    """Walk through one round."""
    start = time.perf_counter()
    settings = WalkthroughSettings.from_config(config)
    make_folder(settings.folder)
    rounds = Round(settings)
    rounds.step("Hands that nobody has recorded", WHY_SYNTHETIC, rounds.synthetic())
    clips = rounds.clips()
    rounds.hold_out(clips)
    rounds.step("A first model", WHY_FIRST, rounds.retrain())
    rounds.step("What it confuses", WHY_CONFUSIONS, rounds.confusions())
    rounds.step("What to record next", WHY_PLAN, rounds.plan())
    for gesture in rounds.to_record(clips):
        rounds.step(f"Record {gesture}", WHY_RECORD, rounds.record(gesture))
    rounds.step("Retrain, and the verdict", WHY_VERDICT, rounds.retrain())
    rounds.close(time.perf_counter() - start)


WHY_SYNTHETIC = (
    "Every gesture of conf/gestures has a pose in conf/poses, so there are pictures of it, and landmarks, at once. "
    "Like photographs, they show many people; some of these are kept for val and test."
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
    "Each directed pair (gesture, what it is taken for), with the weighted F1 at stake: the gain if this pair were "
    "right. The pictures behind each pair lie beside the tables."
)
WHY_PLAN = (
    "From those pairs, and from gestures with little data: what to record, how many, and why. It says what fails; "
    "that as many other pictures would teach less is not shown (docs/active_learning.md)."
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
    """One round: shows all steps and runs the unfinished ones."""

    def __init__(self, settings: WalkthroughSettings) -> None:
        self.settings, self.folder, self.number = settings, settings.folder, 0

    # ---- the commands --------------------------------------------------------------------------------------------

    def synthetic(self) -> list[str]:
        """Draw hands with full variety, harder than the pipeline's default."""
        count = (f"synthetic.images={self.settings.images}", f"synthetic.subjects={self.settings.subjects}")
        return ["synthetic", *count, "synthetic.variety=1"]

    def performer(self, root: str) -> list[str]:
        """Draw one more person, who performs every gesture."""
        count = FRAMES_DRAWN * len(self.settings.vocabulary)
        who = ("synthetic.subjects=3", "synthetic.val=0.33", "synthetic.test=0.33", "synthetic.seed=7")
        return ["synthetic", f"synthetic.images={count}", "synthetic.variety=1", f"sources.synthetic.root={root}", *who]

    def retrain(self) -> list[str]:
        """The quick loop on drawn hands and recordings."""
        return ["retrain", LOOP_SOURCES, *self.common()]

    def confusions(self) -> list[str]:
        """The pairs in the quick loop's predictions."""
        return ["confusions", f"confusions.predictions={self.settings.quick.predictions('val').as_posix()}"]

    def plan(self) -> list[str]:
        """The plan by the quick loop's predictions and split."""
        predictions = f"plan.predictions={self.settings.quick.predictions('val').as_posix()}"
        own = (
            f"plan.checkpoint={self.settings.quick.best.as_posix()}",
            f"plan.samples={self.settings.quick.split_table.as_posix()}",
        )
        return ["plan", predictions, *own, f"plan.budget={self.settings.budget}"]

    def record(self, gesture: str) -> list[str]:
        """The recorder without a window, following the plan for one gesture."""
        what = (f"recording.source={CLIPS}/{gesture}", f"recording.gesture={gesture}", "recording.window=none")
        who = (f"recording.subject={PERFORMER}", "recording.room=video", "admission.held_out=0")
        return ["record", *what, *who, f"recording.checkpoint={self.settings.quick.best.as_posix()}", *self.common()]

    def common(self) -> list[str]:
        """Overrides of several commands: splits by session, and the path of the detector's model."""
        model = self.settings.model if self.settings.model.is_file() else self.settings.detector_model
        return ["split.group=session", f"detector.model.path={os.path.relpath(model, self.folder)}"]

    # ---- the camera ----------------------------------------------------------------------------------------------

    def clips(self) -> Mapping[str, Sequence[Shot]]:
        """The camera's frames by gesture: of the video if it exists with its labels, else drawn hands."""
        video, vocabulary = self.settings.video, self.settings.vocabulary
        truth = video.with_suffix(".json")
        if video.is_file() and truth.is_file():
            return frames_by_gesture(video, truth, self.folder / CLIPS / "frames", vocabulary)
        note(f"there is no {video} with a .json beside it, so drawn hands replace the camera")
        root = f"{CLIPS}/{DRAWN}"
        self.step("A performer", WHY_PERFORMER, self.performer(root))
        node = {**self.settings.synthetic, "root": str(self.folder / root)}
        return group_by_gesture(Sources.build({"synthetic": node}), vocabulary)

    def hold_out(self, clips: Mapping[str, Sequence[Shot]]) -> None:
        """Keep the first part of each gesture as a session of val, the last part as the recorder's clip."""
        self.show_step("What your camera sees, kept for val", WHY_HOLD_OUT)
        for gesture, shots in clips.items():
            first, last = int(HELD_OUT_SHARE * len(shots)), int((HELD_OUT_SHARE + GAP) * len(shots))
            write_held_out(self.folder / "data/recorded" / f"held-out-{gesture}", gesture, shots[:first:EVERY])
            clip = self.folder / CLIPS / gesture
            clip.mkdir(parents=True, exist_ok=True)
            for number, shot in enumerate(shots[last:]):
                shutil.copy2(shot.image, clip / f"{number:04d}{shot.image.suffix}")
        say(f"in {self.folder / 'data/recorded'}: {', '.join(clips)}")

    def to_record(self, clips: Mapping[str, Sequence[Shot]]) -> list[str]:
        """The plan's gestures that the camera sees, in the plan's order."""
        plan = read_plan(self.folder / self.settings.plan, self.settings.vocabulary)
        wanted = dict.fromkeys(line.gesture for line in plan.recordings)
        seen = [gesture for gesture in wanted if gesture in clips]
        if others := [gesture for gesture in wanted if gesture not in clips]:
            say(f"the camera does not see {', '.join(others)}; skipped")
        if not seen:
            raise UserError("the plan asks for nothing that the camera sees; delete the folder and begin anew")
        return seen[: self.settings.recordings]

    # ---- showing and running -------------------------------------------------------------------------------------

    def show_step(self, title: str, why: str) -> None:
        """Print the heading of a step and its purpose."""
        self.number += 1
        say("")
        show_heading(f"{self.number}. {title}")
        say(why)

    def step(self, title: str, why: str, arguments: Sequence[str]) -> None:
        """Show and run a step, a command of `gestures` with its overrides, unless it is done.

        Raises:
            UserError: it failed (its own message stands above).
        """
        command = shlex.join(["gestures", *arguments])
        self.show_step(title, why)
        say(f"\n$ cd {self.folder} && {command}\n")
        done = read_checkpoint_record(self.folder / DONE_FILE) or {}
        key = f"{self.number} {command}"
        if key in done:
            say(f"done before, in {done[key]:.0f} s")
            return
        start = time.perf_counter()
        path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "COLUMNS": str(console.width), "PYTHONPATH": path}
        ended = subprocess.run([sys.executable, "-m", COMMAND, *arguments], cwd=self.folder, env=environment)
        if ended.returncode != 0:
            raise UserError(
                f"{command} failed with status {ended.returncode} (see above); mend it and repeat make loop, which "
                "goes on from here"
            )
        seconds = time.perf_counter() - start
        write_json(self.folder / DONE_FILE, {**done, key: round(seconds, 1)})
        say(f"{seconds:.0f} s")

    def close(self, seconds: float) -> None:
        """Print where everything is, and how to do the same with your own data."""
        write_json(
            self.folder / DONE_FILE,
            {**(read_checkpoint_record(self.folder / DONE_FILE) or {}), "all": round(seconds, 1)},
        )
        say("")
        show_heading(f"One round in {seconds:.0f} s")
        next_steps(
            {
                "before and after": f"{self.folder}/reports/quick/compare/comparison.png",
                "confused pairs": f"{self.folder}/reports/confusions/",
                "the plan": f"{self.folder}/reports/plan.md",
                "what was recorded": f"{self.folder}/data/recorded/",
                "with your camera": "make plan, make record, make retrain",
                "with your data": "README.md; then make repro trains the model that sees pictures",
            }
        )


def make_folder(folder: Path) -> None:
    """Make the folder; a finished round in it is deleted."""
    if "all" in (read_checkpoint_record(folder / DONE_FILE) or {}):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    main()
