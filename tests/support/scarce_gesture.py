"""Real hands of few people, of which one gesture is scarce in train, and one hand of val has a wrong label."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCARCE, TAKEN_FOR = "four", "palm"  # HaGRID's labels of FOUR and FIVE
OTHERS = ("one", "peace", "three", "palm")
TRAIN_HANDS, SCARCE_HANDS, VAL_HANDS = 14, 1, 18  # of each gesture, all close-ups of different people

Annotations = dict[str, dict[str, Any]]


def scarce_gesture(photographs: Path, root: Path) -> str:
    """Write a HaGRID folder whose pictures are links to photographs; gives the image of the wrong label.

    Args:
        photographs: the folder with `hagrid_mini`.
        root: to be written.
    """
    source = photographs / "hagrid_mini"
    for split, count in (("train", TRAIN_HANDS), ("val", VAL_HANDS)):
        read = {label: close_ups(source, split, label) for label in (SCARCE, *OTHERS)}
        chosen = {label: dict(list(hands.items())[:count]) for label, hands in read.items()}
        if split == "train":
            chosen[SCARCE] = dict(list(chosen[SCARCE].items())[:SCARCE_HANDS])
        else:
            wrong = list(read[TAKEN_FOR])[count]
            chosen[SCARCE][wrong] = {**read[TAKEN_FOR][wrong], "labels": [SCARCE]}
        for label, hands in chosen.items():
            write(hands, label, source, root, split)
    (root / SCARCE / f"{wrong}.jpg").unlink()
    (root / SCARCE / f"{wrong}.jpg").symlink_to(source / TAKEN_FOR / f"{wrong}.jpg")
    return f"{wrong}.jpg"


def close_ups(source: Path, split: str, label: str) -> Annotations:
    """The pictures of a label that show one hand of somebody who is in few pictures."""
    hands: Annotations = json.loads((source / "annotations" / split / f"{label}.json").read_text())
    people = [hand["user_id"] for hand in hands.values()]
    return {name: hand for name, hand in hands.items() if people.count(hand["user_id"]) == 1}


def write(hands: Annotations, label: str, source: Path, root: Path, split: str) -> None:
    """Write the annotations of a label, and link its pictures."""
    (root / "annotations" / split).mkdir(parents=True, exist_ok=True)
    (root / "annotations" / split / f"{label}.json").write_text(json.dumps(hands))
    (root / label).mkdir(exist_ok=True)
    for name in hands:
        (root / label / f"{name}.jpg").symlink_to(source / label / f"{name}.jpg")
