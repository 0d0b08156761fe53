"""The jobs that the page starts: what each is called, its settings, its stages, and where it leads.

What a browser sends is looked up among the names that there are; it never becomes a part of a command by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from static_gesture_classification.active_learning.retraining.choices import (
    BY_EXPERIMENT,
    METHODS,
    Experiment,
    experiments_in,
)
from static_gesture_classification.active_learning.retraining.first_model import FIRST_STAGES
from static_gesture_classification.active_learning.retraining.retrain import STAGES
from static_gesture_classification.command_line import hydra_text
from static_gesture_classification.configuration import CONF, OWN_CONF
from static_gesture_classification.errors import UserError
from static_gesture_classification.review.jobs import Job, Jobs
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.standing import survey
from static_gesture_classification.whole_pipeline import pipeline_stages

USUAL = ""  # no experiment, or the configured model
SOURCES = ("sources=", "sources.")  # how overrides of the sources begin
DRAWN_HANDS = "drawn_hands"  # an experiment that needs no photographs
DIGITS, HAND_FINDER = "digits", "landmarker"
DOWNLOADS = {
    DIGITS: "Download the sign-language digits (28 MB, 218 people)",
    HAND_FINDER: "Download the hand finder (8 MB)",
}
SEE_ERRORS, RECORD, USE = ("See its errors", "/confusions"), ("Record", "/record"), ("Try it live", "/live")


def experiments() -> Mapping[str, Experiment]:
    """The experiments that there are, by name."""
    return {each.name: each for each in experiments_in((CONF, OWN_CONF))}


def models() -> list[str]:
    """The models that there are."""
    return sorted(path.stem for folder in (CONF, OWN_CONF) for path in (folder / "model").glob("*.yaml"))


def usual_experiment(review: Review) -> str:
    """What a quick training learns from unless somebody chooses: the experiment or the sources that the page was
    started with; without them the configuration, where it has found photographs, else drawn hands.
    """
    asked = [given.removeprefix(BY_EXPERIMENT) for given in review.jobs.given if given.startswith(BY_EXPERIMENT)]
    if asked:
        return asked[-1]
    has_sources = any(given.startswith(SOURCES) for given in review.jobs.given)
    return USUAL if has_sources or survey(review).has_photographs else DRAWN_HANDS


def start_first_model(jobs: Jobs) -> Job:
    """Train a first model on drawn hands."""
    about = {"stages": FIRST_STAGES, "then": [USE, SEE_ERRORS, ("A gesture of your own", "/add")]}
    return jobs.start("First model, from drawn hands", "first-model", (), about)


def start_quick(jobs: Jobs, experiment: str, method: str) -> Job:
    """Retrain quickly.

    Args:
        jobs: all.
        experiment: a name of `experiments`, or `USUAL`.
        method: a name of `METHODS`.

    Raises:
        UserError: there is no such experiment or method, or a retraining is at work.
    """
    _check(experiment, [USUAL, *experiments()], "experiment")
    _check(method, METHODS, "method")
    overrides = [experiments()[experiment].override] if experiment else []
    title = f"Quick retraining{f', {experiment}' if experiment else ''}"
    about = {"stages": STAGES, "then": [SEE_ERRORS, USE], "experiment": experiment, "method": method}
    return jobs.start(title, "retrain", [*overrides, f"retrain.method={method}"], about)


def start_full(jobs: Jobs, model: str) -> Job:
    """Run the whole pipeline.

    Args:
        jobs: all.
        model: a name of `models`, or `USUAL`.

    Raises:
        UserError: there is no such model, or the pipeline is at work.
    """
    _check(model, [USUAL, *models()], "model")
    overrides = [f"model={model}"] if model else []
    about = {"stages": pipeline_stages(), "then": [("See the run", "/runs"), SEE_ERRORS, USE], "model": model}
    return jobs.start(f"Full training{f', {model}' if model else ''}", "repro", overrides, about)


def start_download(jobs: Jobs, dataset: str) -> Job:
    """Download something. Raises `UserError` where there is no such thing, or a download is at work."""
    _check(dataset, DOWNLOADS, "download")
    about = {"then": [("Go on", "/")], "dataset": dataset}
    return jobs.start(DOWNLOADS[dataset], "download", [f"download.dataset={dataset}"], about)


def start_adding(jobs: Jobs, gesture: str, pictures: Path | None, subject: str, force: bool = False) -> Job:
    """Let the newest landmark model learn a gesture.

    Args:
        jobs: all.
        gesture: its name, checked.
        pictures: a folder of its samples; None: its recorded sessions.
        subject: who shows it; "" if unknown.
        force: although the samples differ, or an old gesture is the same.
    """
    overrides = [f"add.gesture={hydra_text(gesture)}"]
    if pictures is not None:
        overrides.append(f"add.pictures={hydra_text(pictures.as_posix())}")
    if subject:
        overrides.append(f"add.subject={hydra_text(subject)}")
    if force:
        overrides.append("add.force=true")
    folder = None if pictures is None else pictures.as_posix()
    about = {"then": [USE, ("Start", "/")], "gesture": gesture, "pictures": folder, "subject": subject}
    return jobs.start(f"Learn {gesture}", "add", overrides, about)


def _check(name: str, known: Mapping[str, object] | list[str], what: str) -> None:
    if name not in known:
        raise UserError(f"there is no {what} {name!r}; choose one of the list")
