"""The stage that makes the synthetic dataset, in HaGRID v2's layout.

    gestures synthetic synthetic.images=2000

Written to the root of the source `synthetic`:

    <gesture>/<name>.jpg                              the name is a hash of everything that the picture depends on
    annotations/{train,val,test}/<gesture>.json       HaGRID v2: bboxes, labels, user_id, hand_landmarks, ...
    synthetic.json                                    the hash of the settings, once the dataset is complete

Picture j of a gesture depends only on j, the gesture's poses, the settings and this code. So an interrupted run
continues, and the number of processes changes nothing. The annotations come after all pictures; then pictures of
earlier settings are removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from static_gesture_classification.atomic_files import explain_write_errors, write_bytes, write_json, write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.samples import SPLITS
from static_gesture_classification.synthetic.dataset import Annotation, Photograph, Picture, SyntheticDataset, take
from static_gesture_classification.terminal import say, track

SYNTHETIC = "synthetic"
USUAL_ROOT = "data/synthetic"
SYNTHETIC_RECORD = "synthetic.json"
PICTURES_PER_TASK = 8  # pictures that a process takes at a time


def generate(dataset: SyntheticDataset, root: Path) -> int:
    """Bring the pictures in `root` up to date; returns the number of new ones.

    Raises:
        DataError: `root` holds something else.
        OutputError: it cannot be written.
    """
    if is_complete(dataset, root):
        return 0
    claim(root)
    photographs = take_pictures(dataset, root)
    write_annotations(dataset, root, photographs)
    remove_stale(root, {root / dataset.file(each.picture) for each in photographs})
    write_json(root / SYNTHETIC_RECORD, {"digest": dataset.digest, "images": len(photographs)})
    return sum(each.is_new for each in photographs)


def is_complete(dataset: SyntheticDataset, root: Path) -> bool:
    """Whether `root` holds exactly this dataset."""
    record = _read_record(root)
    if record is None or record["digest"] != dataset.digest:
        return False
    pictures = {dataset.file(picture) for picture in dataset.pictures}
    annotations = {f"annotations/{split}/{gesture}.json" for split in SPLITS for gesture in dataset.vocabulary}
    present = chain(root.glob("*/*.jpg"), root.glob("annotations/*/*.json"))
    return pictures | annotations == {path.relative_to(root).as_posix() for path in present}


def claim(root: Path) -> None:
    """Mark a new folder as the generator's. Raises `DataError` for one with other files, which it would delete."""
    if _read_record(root) is None:
        if root.is_dir() and any(not path.name.startswith(".") for path in root.iterdir()):
            raise DataError(
                f"{root} is not empty and was not written by the generator (it has no {SYNTHETIC_RECORD}); "
                f"set sources.synthetic.root to a folder of its own, or move its contents away"
            )
        write_json(root / SYNTHETIC_RECORD, {"digest": "", "images": 0})


def take_pictures(dataset: SyntheticDataset, root: Path) -> list[Photograph]:
    """Take all pictures that are missing, in parallel, and write them; returns all, in the dataset's order."""
    pictures = dataset.pictures
    with explain_write_errors(root):
        for gesture in dataset.vocabulary:
            (root / gesture).mkdir(parents=True, exist_ok=True)
    _remove(root.glob("*/.*.partial"))
    # The first picture is taken here: it compiles the renderer once, for all processes to load.
    first = take(dataset, _with_missing(dataset, root, pictures[:1]))
    rest = range(1, len(pictures), PICTURES_PER_TASK)
    chunks = (_with_missing(dataset, root, pictures[start : start + PICTURES_PER_TASK]) for start in rest)
    others = dataset.settings.engine.build().map(partial(take, dataset), chunks, jobs=dataset.settings.n_jobs)
    photographs = []
    for photograph, jpeg in track(chain(first, chain.from_iterable(others)), "synthetic hands", len(pictures)):
        if photograph.is_new:
            write_bytes(root / dataset.file(photograph.picture), jpeg)
        photographs.append(photograph)
    return photographs


def _with_missing(dataset: SyntheticDataset, root: Path, pictures: Sequence[Picture]) -> list[tuple[Picture, bool]]:
    return [(picture, not (root / dataset.file(picture)).is_file()) for picture in pictures]


def write_annotations(dataset: SyntheticDataset, root: Path, photographs: Sequence[Photograph]) -> None:
    """Write HaGRID v2's annotation files: one per split and gesture, in the pictures' order."""
    files: dict[Path, dict[str, Annotation]] = {
        root / "annotations" / split / f"{gesture}.json": {} for split in SPLITS for gesture in dataset.vocabulary
    }
    for each in photographs:
        split = dataset.splits[each.picture.number % dataset.subjects]
        file = root / "annotations" / split / f"{each.picture.gesture}.json"
        files[file][dataset.name(each.picture)] = each.annotation
    for file, content in files.items():
        write_text(file, json.dumps(content) + "\n")
    _remove(path for path in root.glob("annotations/*/*") if path not in files)


def write_empty(root: Path) -> None:
    """Write an empty dataset: folders for annotations without files, and no pictures."""
    claim(root)
    for split in SPLITS:
        (root / "annotations" / split).mkdir(parents=True, exist_ok=True)
    _remove(root.glob("annotations/*/*"))
    remove_stale(root, set())
    write_json(root / SYNTHETIC_RECORD, {"digest": "", "images": 0})


def remove_stale(root: Path, expected: set[Path]) -> None:
    """Remove pictures of earlier settings, unfinished files, and empty folders."""
    patterns = ("*/*.jpg", "*/.*.partial", ".*.partial")
    _remove(path for pattern in patterns for path in root.glob(pattern) if path not in expected)
    for folder in root.iterdir():
        if folder.is_dir() and folder.name != "annotations" and not any(folder.iterdir()):
            folder.rmdir()


def _read_record(root: Path) -> dict[str, Any] | None:
    try:
        return read_json(root / SYNTHETIC_RECORD, dict[str, Any], "")
    except DataError:
        return None


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        path.unlink(missing_ok=True)


@entry_point
def main(config: DictConfig) -> None:
    """Generate the configured synthetic dataset, or an empty one where its source is not selected."""
    source = config.sources.get(SYNTHETIC)
    if source is None or not source.get("enabled", True):
        write_empty(Path(USUAL_ROOT))
        say("synthetic hands: none, because `sources` leaves them out")
        return
    dataset, root = SyntheticDataset.from_config(config), Path(source.root)
    taken = generate(dataset, root)
    count = f"{len(dataset.pictures):,} pictures of {dataset.subjects} people"
    say(f"synthetic hands: {count} in {root}, {taken:,} of them new")


if __name__ == "__main__":
    main()
