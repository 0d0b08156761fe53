"""The table of commands, in the order in which a newcomer meets them. `gestures` runs them; see `__main__`.

A command is a module with a `main` of its own, so `python -m MODULE` is the same as `gestures NAME`. The table is all
that is here: texts, `--help` and the console script take names, purposes and groups of settings from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command: its name, the module whose `main` it is, and what it does in a few words.

    `own` are the groups of settings that `--help` explains, `uses` those that it names; `argument` is the setting
    that a value without a name is of.
    """

    name: str
    module: str
    purpose: str
    own: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    argument: str = ""


def _command(name: str, module: str, purpose: str, *groups: str, argument: str = "") -> Command:
    """A command; the groups before "+" are its own, those after it are used besides."""
    own, _, uses = " ".join(groups).partition("+")
    return Command(name, module, purpose, tuple(own.split()), tuple(uses.split()), argument)


def _stage(name: str, module: str, purpose: str, *groups: str, argument: str = "") -> Command:
    return _command(name, f"{__package__}.{module}", purpose, *groups, argument=argument)


_DATA = "sources gestures"
_TRAINING = "background model train_hyperparams loss optimizer scheduler augs sampler trainer"

COMMANDS: dict[str, tuple[Command, ...]] = {
    "Start": (
        _stage("app", "app", "open the page where all of this is a click", "review"),
        _stage(
            "first-model",
            "active_learning.retraining.first_model",
            "train a first model on drawn hands",
            "+ synthetic retrain",
        ),
        _stage("loop", "walkthrough", "show one round of the loop on synthetic hands", "loop"),
    ),
    "Data": (
        _stage("download", "downloads.download", "fetch a published dataset", "download"),
        _stage("synthetic", "synthetic.generate", "make pictures of posed hands", "synthetic + poses parallel"),
        _stage("contact-sheet", "synthetic.contact_sheet", "show the synthetic hands on one picture", "synthetic"),
        _stage("index", "preparation.index", "list all samples of the sources", f"index + parallel {_DATA}"),
        _stage("sources", "sources.contents", "note what each source holds, for the pipeline", "+ sources"),
        _stage("crops", "preparation.crops", "cut out and keep every hand", "crops + parallel"),
        _stage("push-crops", "preparation.copies.push_crops", "copy the crops to a URL or folder", "crop_copy"),
        _stage("pull-crops", "preparation.copies.pull_crops", "fetch crops that were pushed", "crop_copy"),
        _stage("push-data", "preparation.copies.push_data", "copy index, landmarks and the like to a URL", "data_copy"),
        _stage("pull-data", "preparation.copies.pull_data", "fetch index, landmarks and the like", "data_copy"),
        _stage("split", "preparation.split", "divide subjects into train, val and test", "split"),
        _stage("landmarks", "preparation.landmarks", "find 21 points in every hand", "landmarks + detector parallel"),
        _stage("export", "sources.export", "write samples as HaGRID, COCO, YOLO, folders or CSV", "export"),
    ),
    "Train and choose": (
        _command("train", "train_static_gestures", "train a model", f"train_hyperparams trainer + {_TRAINING} logger"),
        _stage("repro", "whole_pipeline", "run the whole pipeline, as make repro does", f"+ {_DATA} {_TRAINING}"),
        _stage("sweep", "sweeps.sweep", "search the settings of a training", f"sweep + {_TRAINING} logger"),
        _stage("evaluate", "evaluation.evaluate", "score a checkpoint", f"evaluate + {_DATA} crops split detector"),
        _stage("promote", "evaluation.promote", "make a checkpoint the best one, if it is better", "promote + compare"),
        _stage("runs", "evaluation.runs", "list training runs, their epochs and checkpoints", "runs"),
        _stage("report", "tracking.report", "write a run as a web page", "report"),
        _stage("sync", "tracking.sync", "send a run to trackers", "sync + logger"),
        _stage("summary", "evaluation.summary", "say where results are and what is next"),
        _stage("compose", "configuration", "write params.yaml for the pipeline"),
    ),
    "Improve": (
        _stage("confusions", "active_learning.diagnosis.confusions", "see what is taken for what", "confusions"),
        _stage("patterns", "active_learning.diagnosis.patterns", "see what the errors have in common", "confusions"),
        _stage("label-issues", "active_learning.labels.find_issues", "list probably wrong labels", "label_issues"),
        _stage("fix-labels", "active_learning.labels.decide", "correct labels, or drop samples", "fix_labels"),
        _stage("plan", "active_learning.planning.make_plan", "decide what to record next", "plan + confusions"),
        _stage(
            "mine", "active_learning.mining.mine", "search pictures for what is planned", f"mining + detector {_DATA}"
        ),
        _stage(
            "admit",
            "active_learning.mining.admit",
            "take the mined hands that you kept for training",
            "mining + admission",
        ),
        _stage(
            "add",
            "add_gesture",
            "add a gesture from a few samples",
            "add + poses recording detector",
            argument="add.gesture",
        ),
        _command("record", "record_gestures", "record samples from a camera", "recording + admission detector"),
        _stage(
            "retrain",
            "active_learning.retraining.retrain",
            "retrain on new samples within a minute",
            f"retrain + {_DATA} {_TRAINING}",
        ),
        _stage("compare", "active_learning.comparison.compare", "see whether the model got better", "compare"),
    ),
    "Use": (
        _stage("predict", "inference.predict", "name the gestures in images or a video", "predict + detector"),
        _stage("live", "live.live", "watch a camera and act on gestures", "live + recording admission detector"),
        _stage(
            "export-onnx",
            "deployment.export_onnx",
            "write a checkpoint as ONNX, with a model card",
            "export_onnx + detector sources",
        ),
        _stage("register", "deployment.register", "make a checkpoint a version in MLflow's registry", "register"),
        _stage(
            "demo-space",
            "deployment.demo_space.build",
            "write a folder that runs wherever Gradio runs",
            "demo_space + detector export_onnx",
        ),
        _stage("web", "deployment.web.build", "write a page that works in the browser alone", "web + detector"),
    ),
}


MEANT = {("export", "checkpoint"): "export-onnx"}  # a command and a setting of it -> the command that is meant


def commands() -> dict[str, Command]:
    """All commands by name."""
    return {command.name: command for group in COMMANDS.values() for command in group}


def choose_command(name: str, arguments: Sequence[str] = ()) -> Command | None:
    """The command that is meant; None if there is none of that name.

    >>> choose_command("export", ["checkpoint=models/best.ckpt"]).name
    'export-onnx'
    """
    settings = {argument.partition("=")[0] for argument in arguments}
    meant = next((other for (own, setting), other in MEANT.items() if own == name and setting in settings), name)
    return commands().get(meant)


def command_of(module: str) -> Command | None:
    """The command whose `main` a module has."""
    return next((command for command in commands().values() if command.module == module), None)
