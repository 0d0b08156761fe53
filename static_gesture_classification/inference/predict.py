"""Recognise the gestures in an image, a folder of images, or a video, and write them as a table.

    gestures predict input=DIR_OR_VIDEO output=FILE.csv checkpoint=FILE

One row per hand: `image` (its path below the folder) or, for a video, `frame` (its number, from 0); x1, y1, x2, y2
(the box, in pixels); gesture; score (its probability); one column per gesture of the checkpoint. Beside it,
FILE.missed.csv lists the images in which no hand was found, and the files that could not be read.
"""

from __future__ import annotations

import csv
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig

from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.detection.detector import DetectorSettings
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import NO_HAND
from static_gesture_classification.inference.frames import Frame, Frames, frames
from static_gesture_classification.inference.predictor import Predictor, RecognisedHand
from static_gesture_classification.settings import Settings
from static_gesture_classification.terminal import Table, in_number, say, show_table, track
from static_gesture_classification.training import hardware
from static_gesture_classification.training.settings import TrainerSettings

TABLE = "predictions.csv"
NO_PICTURE = "no picture that can be read"


class PredictSettings(Settings, key="predict"):
    """Settings of `gestures predict`.

    Args:
        input: an image, a folder of images, or a video.
        output: the table, or a folder for it.
        checkpoint: .ckpt or .onnx.
        detector: finds the hands.
        trainer: device and threads.
    """

    input: Path
    output: Path
    checkpoint: Path
    detector: DetectorSettings
    trainer: TrainerSettings

    @classmethod
    def from_config(cls, config: DictConfig) -> PredictSettings:
        """Read them. Raises `UserError` where no input is named."""
        if not config.predict.input:
            raise UserError("name the input: input=PATH of an image, a folder of images, or a video")
        return cls.read(config, "predict", input=Path(config.predict.input).expanduser())


@entry_point
def main(config: DictConfig) -> None:
    """Recognise the gestures in `input`."""
    settings = PredictSettings.from_config(config)
    source, output = frames(settings.input), output_file(settings.output)
    hardware.use_processor(settings.trainer.threads)
    with settings.detector.build() as detector:
        predictor = Predictor.load(settings.checkpoint, detector, hardware.torch_device(settings.trainer.accelerator))
        outcome = recognise(source, predictor, output)
    show_recognition(outcome, output)


def output_file(output: Path) -> Path:
    """The table to write: `output`, or, where it is a folder, predictions.csv in it."""
    return output if output.suffix.lower() == ".csv" else output / TABLE


def missed_file(output: Path) -> Path:
    """Where the images without a hand, and unreadable files, are listed."""
    return output.with_name(f"{output.stem}.missed.csv")


@dataclass
class Recognition:
    """The hands of an input, counted.

    Args:
        is_video: whether the pictures are frames of one video.
        looked_at: number of images or frames.
        gestures: hands per gesture.
        no_hand: names of images, or numbers of frames, without a hand.
        unread: unreadable files, or parts of a video, each with the reason.
        others: files that are no pictures.
        notes: lines about other files and animations.
        seconds: for each image or frame, from its pixels to its gestures.
    """

    is_video: bool
    looked_at: int = 0
    gestures: Counter[str] = field(default_factory=Counter)
    no_hand: list[str] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def recognise(source: Frames, predictor: Predictor, output: Path) -> Recognition:
    """Write the table of all hands in `source` to `output`, and pictures without a hand beside it.

    Raises:
        DataError: not one picture could be read.
        OutputError: the table cannot be written.
    """
    outcome = Recognition(source.is_video)
    key = "frame" if source.is_video else "image"
    with atomic_path(output) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([key, "x1", "y1", "x2", "y2", "gesture", "score", *predictor.vocabulary.names])
        for frame in track(source, "recognising", total=source.total, unit=f"{key}s"):
            start = time.perf_counter()
            hands = predictor.predict(frame.image)
            outcome.seconds.append(time.perf_counter() - start)
            writer.writerows(rows(frame, hands, source.is_video))
            outcome.looked_at += 1
            outcome.gestures.update(hand.gesture for hand in hands)
            if not hands:
                outcome.no_hand.append(_key(frame, source.is_video))
        outcome.unread = [(each.name, each.reason) for each in source.skipped]
        outcome.others, outcome.notes = source.others, source.notes
        if not outcome.looked_at:
            first = "\n".join(f"  {name}: {reason}" for name, reason in outcome.unread[:10])
            raise DataError(f"not one {key} could be read. The first are\n{first}")
    write_missed(outcome, key, missed_file(output))
    return outcome


def rows(frame: Frame, hands: Sequence[RecognisedHand], is_video: bool) -> list[list[str]]:
    """A frame's rows of the table, one per hand."""
    height, width = frame.image.shape[:2]
    return [
        [
            _key(frame, is_video),
            *(f"{share * size:.2f}" for share, size in zip(hand.hand.box, (width, height) * 2, strict=True)),
            hand.gesture,
            *(f"{value:.6f}" for value in (hand.score, *hand.probabilities.tolist())),
        ]
        for hand in hands
    ]


def write_missed(outcome: Recognition, key: str, path: Path) -> None:
    """List pictures without a hand, and files that could not be read."""
    with atomic_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([key, "reason"])
        writer.writerows([name, NO_HAND] for name in outcome.no_hand)
        writer.writerows(outcome.unread)
        writer.writerows([name, NO_PICTURE] for name in outcome.others)


def show_recognition(outcome: Recognition, output: Path) -> None:
    """Print the counts of hands, unreadable files, and the time per picture."""
    table = Table("gesture", "hands")
    table.columns[1].justify = "right"
    for gesture, count in outcome.gestures.most_common():
        table.add_row(gesture, f"{count:,}")
    if outcome.gestures:
        show_table(table)
    looked_at = in_number(outcome.looked_at, "frame" if outcome.is_video else "image")
    lines = [
        f"{in_number(sum(outcome.gestures.values()), 'hand')} in {looked_at}; no hand in "
        f"{len(outcome.no_hand):,}; {1000 * statistics.median(outcome.seconds):.0f} ms each in the median",
        *(f"not read: {name}: {reason}" for name, reason in outcome.unread[:10]),
        *([f"... and {len(outcome.unread) - 10:,} more"] if len(outcome.unread) > 10 else []),
        *outcome.notes,
        f"written to {output}; what was missed to {missed_file(output)}",
    ]
    say("\n".join(lines))


def _key(frame: Frame, is_video: bool) -> str:
    return str(frame.index) if is_video else frame.name


if __name__ == "__main__":
    main()
