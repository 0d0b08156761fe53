"""Recorded pictures with all but the hand blurred (`recording.mask`): does the finder still find the hand?

    python benchmarks/masked_hands.py           # three minutes on a quiet machine
    python benchmarks/masked_hands.py 20        # with so many pictures of each; printed, not kept

Hands are found in whole pictures, cut out and saved as the recorder does (margin 0.5, JPEG of quality 95), with and
without the mask. In both, the pipeline's finder looks for the known hand, as it does for training. A hand is found
where its box and the saved one have an intersection over union of at least 0.3; landmarks are compared with those that
were recorded, as a share of the hand's longer side. The mask's margin was chosen by looking at nine frames of the
webcam video; the photographs of people were not looked at for that. Kept in benchmarks/results/masked_hands.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from frames import SHARED, composed
from machine import measured_on

from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.images import UnreadableImageError, decode, read_header, read_image
from static_gesture_classification.inference.frames import VideoFrames
from static_gesture_classification.preparation.hand_pictures import HandPicture, cut_out
from static_gesture_classification.recording.judging.observer import choose_hand
from static_gesture_classification.recording.masking import mask_surroundings
from static_gesture_classification.terminal import track

RESULT = Path(__file__).resolve().parent / "results" / "masked_hands.md"
MASK_MARGIN = 0.5  # as conf/recording
DATA = SHARED / "data"
EACH = 100  # pictures of each kind


@dataclass
class Found:
    """Of one kind of pictures: hands, and distances of landmarks where they were found again, plain and masked."""

    people: str
    hands: int = 0
    plain: list[float] = field(default_factory=list)
    masked: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)  # share of the picture that is not blurred

    def row(self, name: str) -> str:
        """Of the table."""
        cells = [name, self.people, str(self.hands)]
        for distances in (self.plain, self.masked):
            cells += [f"{len(distances) / max(self.hands, 1):.1%}", f"{np.median(distances or [np.nan]):.3f}"]
        return f"| {' | '.join([*cells, f'{np.mean(self.kept or [np.nan]):.0%}'])} |"


def pictures(each: int) -> dict[str, tuple[str, Iterator[np.ndarray]]]:
    video = DATA / "videos" / "webcam.mp4"
    kinds = {
        "webcam frames (HANDS)": ("5 rooms", sorted((DATA / "hands_mini").rglob("*_color.png"))),
        "photographs (HaGRID)": ("95 people", sorted((DATA / "hagrid_people").rglob("*.jpg"))),
        "photographs (others)": ("13 people", sorted((DATA / "more_people").rglob("*.jpg"))),
    }
    chosen = {name: (people, _read(_evenly(files, each))) for name, (people, files) in kinds.items()}
    step = max(1, 300 // each)
    frames = (frame.image for number, frame in enumerate(VideoFrames(video)) if number % step == 0)
    return {"webcam video": ("1 person", frames), **chosen}


def _evenly(files: list[Path], count: int) -> list[Path]:
    return files[:: max(1, len(files) // count)][:count]


def _read(files: list[Path]) -> Iterator[np.ndarray]:
    for path in files:
        try:
            yield read_image(path)
        except UnreadableImageError:
            continue


def saved(picture: HandPicture) -> HandPicture:
    """As it is read again from the disk."""
    data = picture.jpeg()
    return replace(picture, pixels=decode(data, read_header(data)))


def look(finder: Detector, picture: HandPicture) -> float | None:
    """The mean distance of the landmarks that are found to the recorded ones, of the hand's size; None without."""
    x1, y1, x2, y2 = picture.box
    hand = finder.landmarks_in(picture.pixels, (x1, y1, x2, y2))
    if hand is None or hand.landmarks is None:
        return None
    height, width = picture.pixels.shape[:2]
    recorded = np.array(picture.landmarks) * (width, height)
    apart = np.linalg.norm(hand.landmarks * (width, height) - recorded, axis=1).mean()
    return float(apart / np.ptp(recorded, axis=0).max())


def measure(each: int) -> dict[str, Found]:
    results = {}
    with Detector.from_config(composed()) as finder:
        for name, (people, images) in pictures(each).items():
            found = results[name] = Found(people)
            for image in track(images, name, each, "pictures"):
                hand = choose_hand(finder.detect(image), "largest")
                if hand is None:
                    continue
                found.hands += 1
                plain = cut_out(image, hand.box, hand.landmarks, MASK_MARGIN)
                masked = mask_surroundings(plain)
                found.kept.append(float((plain.pixels == masked.pixels).all(axis=2).mean()))
                for picture, distances in ((plain, found.plain), (masked, found.masked)):
                    if (distance := look(finder, saved(picture))) is not None:
                        distances.append(distance)
    return results


def report(results: dict[str, Found]) -> str:
    head = "| pictures | people | hands | found, plain | landmarks off | found, masked | landmarks off | not blurred |"
    lines = [
        "# Pictures with all but the hand blurred",
        "",
        (__doc__ or "").split("\n\n")[2].replace("\n", " ").strip(),
        "",
        f"{measured_on('opencv-python')}.",
        "",
        head,
        "|---|---|---:|---:|---:|---:|---:|---:|",
        *(found.row(name) for name, found in results.items()),
        "",
        "Found: by the pipeline's finder in the saved picture, as for training. Landmarks off: the median of their "
        "mean distance to the recorded ones, as a share of the hand's longer side. Not blurred: the mean share of the "
        "saved picture that the mask leaves as it is.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EACH
    text = report(measure(count))
    print(text)
    if count == EACH:
        RESULT.write_text(text, encoding="utf-8")
