"""The walkthrough's parts: what the camera sees, what is held out, what is run and what is not run again."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from static_gesture_classification import walkthrough
from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    PlannedRecording,
    RecordingPlan,
    write_plan,
)
from static_gesture_classification.commands import commands
from static_gesture_classification.errors import UserError
from static_gesture_classification.performer import Shot, frames_by_gesture
from static_gesture_classification.sources.recorded import read_session
from static_gesture_classification.walkthrough import Round, WalkthroughSettings
from tests.evaluation.conftest import composed
from tests.support.seeded_predictions import VOCABULARY


@pytest.fixture
def rounds(tmp_path):
    """A round in an empty folder."""
    config = composed(f"loop.folder={tmp_path / 'loop'}", "loop.video=nowhere.mp4")
    walkthrough.make_folder(tmp_path / "loop")
    return Round(WalkthroughSettings.from_config(config))


@pytest.fixture
def shots(tmp_path):
    """Thirty pictures of one gesture."""
    taken = []
    for number in range(30):
        path = tmp_path / f"{number:02d}.png"
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(path)
        taken.append(Shot(path, (0.1, 0.1, 0.9, 0.9)))
    return taken


def test_the_first_third_is_held_out_and_the_rest_is_for_the_recorder(rounds, shots):
    rounds.hold_out({"TWO": shots})
    session = read_session(rounds.folder / "data/recorded/held-out-TWO")
    assert (session.split, session.gesture) == ("val", "TWO")
    held_out = {image.file for image in session.images}
    assert held_out == {"00.png", "02.png", "04.png", "06.png", "08.png"}
    clip = [int(np.asarray(Image.open(path))[0, 0, 0]) for path in sorted((rounds.folder / "clips/TWO").iterdir())]
    assert clip == list(range(12, 30))  # what lies between resembles both, and belongs to neither


def test_a_step_that_is_done_is_not_run_again_and_one_that_failed_is(rounds, capfd):
    rounds.step("Help", "why it is done", ["--help"])
    assert capfd.readouterr().out.count("gestures COMMAND") == 1
    again = Round(rounds.settings)
    again.step("Help", "why it is done", ["--help"])
    printed = capfd.readouterr().out
    assert "gestures COMMAND" not in printed
    assert "done before" in printed
    for _ in range(2):
        with pytest.raises(UserError, match="failed with status 2"):
            Round(rounds.settings).step("Break", "", ["no-such-command"])


def test_every_step_shows_what_is_done_why_and_the_command(rounds, capfd):
    rounds.step("Help", "because it must be done", ["--help"])
    printed = capfd.readouterr().out
    for part in ("1. Help", "because it must be done", "gestures --help", f"cd {rounds.folder}"):
        assert part in printed.replace("\n", "")


def test_every_command_of_the_round_is_one_of_the_console_script(rounds):
    asked = (rounds.synthetic(), rounds.retrain(), rounds.confusions(), rounds.plan(), rounds.record("TWO"))
    assert {arguments[0] for arguments in asked} <= set(commands())


def test_a_finished_round_begins_anew_and_an_unfinished_one_goes_on(rounds):
    kept = rounds.folder / "kept.txt"
    kept.write_text("x")
    walkthrough.make_folder(rounds.folder)
    assert kept.is_file()
    rounds.close(1.0)
    walkthrough.make_folder(rounds.folder)
    assert not kept.is_file()


def test_the_recorder_is_given_gestures_that_are_planned_and_seen(rounds, shots):
    lines = [PlannedRecording(name, "OKAY", 5, 5, 0.5, 0.1, "mixed up") for name in ("FIST", "TWO", "THREE")]
    write_plan(RecordingPlan(PLAN_VERSION, "", tuple(lines)), rounds.folder / "reports/plan.json")
    assert rounds.to_record({"TWO": shots, "THREE": shots, "FIVE": shots}) == ["TWO", "THREE"]
    with pytest.raises(UserError, match="nothing that the camera sees"):
        rounds.to_record({"FIVE": shots})


def test_frames_of_the_video_are_sorted_by_the_gesture_they_show(photographs, tmp_path):
    video = photographs / "videos/webcam.mp4"
    found = frames_by_gesture(video, video.with_suffix(".json"), tmp_path / "frames", VOCABULARY)
    truth = json.loads(video.with_suffix(".json").read_text())
    shown = [entry["hands"][0]["gesture"].upper() for entry in truth if len(entry["hands"]) == 1]
    assert {gesture: len(taken) for gesture, taken in found.items()} == {name: shown.count(name) for name in found}
    assert len(found) >= 4
    assert all(0 <= side <= 1 for taken in found.values() for shot in taken for side in shot.box)


@pytest.mark.full
def test_one_round_on_drawn_hands_ends_with_a_verdict(tmp_path, project, photographs):
    overrides = [f"loop.folder={tmp_path / 'loop'}", "loop.video=nowhere.mp4", "loop.images=160"]
    overrides.append(f"loop.model={photographs.parent / 'models/hand_landmarker.task'}")
    command = [sys.executable, "-m", "static_gesture_classification.walkthrough", *overrides]
    ended = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "verdict:" in ended.stdout
    assert Path(tmp_path, "loop/reports/quick/compare/comparison.png").is_file()
