"""The console script `gestures`: one table of commands, in the order in which a newcomer meets them.

    gestures                  # the list
    gestures train [overrides]

Each command is a module with a `main` of its own, so `python -m MODULE [overrides]` is the same. Nothing but the chosen
module is imported.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass

PACKAGE = "static_gesture_classification"


@dataclass(frozen=True)
class Command:
    """A command: its name, the module whose `main` it is, and what it does in a few words."""

    name: str
    module: str
    purpose: str


def _own(name: str, module: str, purpose: str) -> Command:
    return Command(name, f"{PACKAGE}.{module}", purpose)


COMMANDS: dict[str, tuple[Command, ...]] = {
    "Start": (_own("loop", "active_learning.walkthrough", "show one round of the loop on synthetic hands"),),
    "Data": (
        _own("download", "downloads.download", "fetch a published dataset"),
        _own("synthetic", "synthetic.generate", "make pictures of posed hands"),
        _own("contact-sheet", "synthetic.contact_sheet", "show the synthetic hands on one picture"),
        _own("index", "preparation.index", "list all samples of the sources"),
        _own("crops", "preparation.crops", "cut out and keep every hand"),
        _own("split", "preparation.split", "divide subjects into train, val and test"),
        _own("landmarks", "preparation.landmarks", "find 21 points in every hand"),
        _own("export", "sources.export", "write samples as HaGRID, COCO, YOLO, folders or CSV"),
    ),
    "Train and choose": (
        Command("train", "train_static_gestures", "train a model"),
        _own("evaluate", "evaluation.evaluate", "score a checkpoint"),
        _own("promote", "evaluation.promote", "make a checkpoint the best one, if it is better"),
        _own("runs", "evaluation.runs", "list training runs, their epochs and checkpoints"),
        _own("report", "tracking.report", "write a run as a web page"),
        _own("sync", "tracking.sync", "send a run to trackers"),
        _own("summary", "evaluation.summary", "say where results are and what is next"),
        _own("compose", "configuration", "write params.yaml for the pipeline"),
    ),
    "Improve": (
        _own("confusions", "active_learning.diagnosis.confusions", "see what is taken for what"),
        _own("patterns", "active_learning.diagnosis.patterns", "see what the errors have in common"),
        _own("label-issues", "active_learning.labels.find_issues", "list labels that are probably wrong"),
        _own("fix-labels", "active_learning.labels.decide", "decide on these labels"),
        _own("plan", "active_learning.planning.make_plan", "decide what to record next"),
        _own("mine", "active_learning.mining.mine", "search a folder, a video or a dataset for it"),
        _own("admit", "active_learning.mining.admit", "take what you kept of it into the training set"),
        Command("record", "record_gestures", "record it from a camera"),
        _own("retrain", "active_learning.retraining.retrain", "train on it within a minute"),
        _own("compare", "active_learning.comparison.compare", "see whether the model got better"),
    ),
    "Use": (
        _own("predict", "inference.predict", "name the gestures in images or a video"),
        _own("export-onnx", "inference.export_onnx", "write a checkpoint as ONNX"),
    ),
}


def commands() -> dict[str, Command]:
    """All commands by name."""
    return {command.name: command for group in COMMANDS.values() for command in group}


def main() -> None:
    """Run the command that the first argument names; without one, show the list."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help", "help"):
        show_commands()
        return
    command = commands().get(name)
    if command is None:
        print(f"error: there is no command {name}; `gestures` lists them", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"gestures {name}", *arguments]
    importlib.import_module(command.module).main()


def show_commands() -> None:
    """Print the table of commands."""
    width = max(map(len, commands()))
    print("gestures COMMAND [SETTING=VALUE ...]\n\nCOMMAND --help shows the settings of a command.")
    for title, group in COMMANDS.items():
        print(f"\n{title}")
        for command in group:
            print(f"  {command.name:{width}}  {command.purpose}")
