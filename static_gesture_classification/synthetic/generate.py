"""The stage that takes the pictures: HaGRID v2's layout, deterministic, parallel, incremental, resumable.

    gestures synthetic synthetic.images=2000

Written to the root of the source `synthetic`:

    <gesture>/<name>.jpg                              the name is a hash of all that the picture depends on
    annotations/{train,val,test}/<gesture>.json       HaGRID v2: bboxes, labels, user_id, hand_landmarks, ...
    synthetic.json                                    of which settings this is the complete result

Picture j of a gesture is a function of seed, j, the gesture's poses, the settings and this package's source, so an
interrupted run goes on where it was, in any number of processes. Annotations are written when all pictures are there,
and pictures of earlier settings go after that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import joblib
from omegaconf import DictConfig

from static_gesture_classification.atomic_files import explained_write_errors, write_json, write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.samples import SPLITS
from static_gesture_classification.synthetic.plan import Entry, Picture, Plan, take
from static_gesture_classification.terminal import console, track

SOURCE = "synthetic"
USUAL_ROOT = "data/synthetic"
RECORD = "synthetic.json"
CHUNK = 8  # pictures that a process takes at a time
Taken = tuple[Picture, bool, Entry]


def generate(plan: Plan, root: Path) -> int:
    """Bring the pictures under `root` up to date; returns how many had to be taken.

    Raises:
        DataError: `root` holds something else.
        OutputError: it cannot be written.
    """
    if is_complete(plan, root):
        return 0
    claim(root)
    entries = take_pictures(plan, root)
    write_annotations(plan, root, entries)
    remove_stale(root, {root / gesture / f"{name}.jpg" for gesture, name in entries})
    write_json(root / RECORD, {"digest": plan.digest, "images": len(entries)})
    return sum(new for new, _ in entries.values())


def is_complete(plan: Plan, root: Path) -> bool:
    """Whether `root` holds exactly this plan's result."""
    record = _read_record(root)
    if record is None or record["digest"] != plan.digest:
        return False
    expected = {f"{picture.gesture}/{plan.name(picture)}.jpg" for picture in plan.pictures}
    present = {f"{path.parent.name}/{path.name}" for path in root.glob("*/*.jpg")}
    annotations = {f"{path.parent.name}/{path.stem}" for path in root.glob("annotations/*/*.json")}
    return expected == present and annotations == {
        f"{split}/{gesture}" for split in SPLITS for gesture in plan.gestures
    }


def claim(root: Path) -> None:
    """Mark a new folder as the generator's own. Raises `DataError` for one with other things: they would be deleted."""
    if _read_record(root) is None:
        if root.is_dir() and any(not path.name.startswith(".") for path in root.iterdir()):
            raise DataError(
                f"{root} is not empty and was not written by the generator (it has no {RECORD}); "
                f"set sources.synthetic.root to a folder of its own, or move its contents away"
            )
        write_json(root / RECORD, {"digest": "", "images": 0})


def take_pictures(plan: Plan, root: Path) -> dict[tuple[str, str], tuple[bool, Entry]]:
    """Take all pictures that are not there yet, in parallel; (gesture, name) -> (whether it is new, annotation)."""
    pictures = plan.pictures
    with explained_write_errors(root):
        for gesture in plan.gestures:
            (root / gesture).mkdir(parents=True, exist_ok=True)
    for path in root.glob("*/.*.partial"):
        path.unlink()
    # The first picture is taken here: it compiles the renderer once, for all processes to load.
    first = take(plan, root, pictures[:1])
    chunks = [pictures[i : i + CHUNK] for i in range(1, len(pictures), CHUNK)]
    parallel = joblib.Parallel(n_jobs=plan.settings["n_jobs"], return_as="generator_unordered")
    results = parallel(joblib.delayed(take)(plan, root, chunk) for chunk in chunks)
    taken = track(_flat(first, results), "synthetic hands", len(pictures))
    unordered = {(picture.gesture, plan.name(picture)): (new, entry) for picture, new, entry in taken}
    return {key: unordered[key] for picture in pictures for key in [(picture.gesture, plan.name(picture))]}


def write_annotations(plan: Plan, root: Path, entries: Mapping[tuple[str, str], tuple[bool, Entry]]) -> None:
    """Write HaGRID v2's annotation files: one per split and gesture, in the pictures' order."""
    split_of = {plan.person(number).user_id: split for number, split in enumerate(plan.splits)}
    files: dict[tuple[str, str], dict[str, Entry]] = {
        (split, gesture): {} for split in SPLITS for gesture in plan.gestures
    }
    for (gesture, name), (_, entry) in entries.items():
        files[split_of[entry["user_id"]], gesture][name] = entry
    for (split, gesture), content in files.items():
        write_text(root / "annotations" / split / f"{gesture}.json", json.dumps(content) + "\n")
    expected = {root / "annotations" / split / f"{gesture}.json" for split, gesture in files}
    _remove(path for path in root.glob("annotations/*/*") if path not in expected)


def write_empty(root: Path) -> None:
    """An empty dataset: folders for annotations without files, and no pictures."""
    claim(root)
    for split in SPLITS:
        (root / "annotations" / split).mkdir(parents=True, exist_ok=True)
    _remove(root.glob("annotations/*/*"))
    remove_stale(root, set())
    write_json(root / RECORD, {"digest": "", "images": 0})


def remove_stale(root: Path, expected: set[Path]) -> None:
    """Remove pictures that do not belong to the result, unfinished files, and folders left empty."""
    _remove(
        path
        for pattern in ("*/*.jpg", "*/.*.partial", ".*.partial")
        for path in root.glob(pattern)
        if path not in expected
    )
    for folder in root.iterdir():
        if folder.is_dir() and folder.name != "annotations" and not any(folder.iterdir()):
            folder.rmdir()


def _flat(first: list[Taken], results: Iterable[list[Taken]]) -> Iterator[Taken]:
    yield from first
    for chunk in results:
        yield from chunk


def _read_record(root: Path) -> dict[str, Any] | None:
    try:
        return read_json(root / RECORD, dict[str, Any], "")
    except DataError:
        return None


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        path.unlink(missing_ok=True)


@entry_point
def main(config: DictConfig) -> None:
    """Generate the synthetic dataset that the configuration describes, or an empty one where it is not asked for."""
    source = config.sources.get(SOURCE)
    if source is None or not source.get("enabled", True):
        write_empty(Path(USUAL_ROOT))
        console.print("synthetic hands: none, because `sources` leaves them out")
        return
    plan, root = Plan.from_config(config), Path(source.root)
    taken = generate(plan, root)
    console.print(
        f"synthetic hands: {len(plan.pictures):,} pictures of {plan.cast} people in {root}, {taken:,} of them new",
        markup=False,
    )


if __name__ == "__main__":
    main()
