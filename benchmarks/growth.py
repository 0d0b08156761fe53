"""How the cost of each stage grows with the number of hands.

    python benchmarks/growth.py [FOLDER]

measures n, 2n, 4n and 8n hands of HaGRID's shape, each stage in a process of its own. Stages that read the sample table
alone are also measured on 1.4 million hands, all of HaGRID v2, and so are those that read what is kept of crops; what
all of the annotations take is computed from the last doubling. The photographs of ../shared/data stand in for
HaGRID's: they are repeated, each time turned, mirrored and moved otherwise, when their pixels are asked for. Inputs go
to FOLDER (5 GB; a temporary one without it), and a measurement that is there is not repeated, so that the benchmark can
be made in parts: STAGES=split,plan chooses, MOST=400000 leaves the larger ones out.
The table and the figure are printed and kept in benchmarks/results/growth.md and growth.png.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
from index_speed import watch, write_dataset
from machine import measured_on

if TYPE_CHECKING:
    from static_gesture_classification.preparation.splitting.crop_source import CropSource

PROJECT = Path(__file__).resolve().parent.parent
RESULT = PROJECT / "benchmarks" / "results" / "growth.md"
HAGRID = 1_400_000  # hands
DOUBLINGS = 3
PEOPLE, SPLITS, SHARES = 21, ("train", "val", "test"), (0.76, 0.09, 0.15)  # hands of a person; as published
NEW = 200  # hands that mining, or the quick loop, adds
ERRORS = 0.1  # share of val that is confused
EMBEDDING = 64


@dataclass(frozen=True)
class Stage:
    """What is measured.

    Args:
        largest: 8n hands.
        whole: whether all of HaGRID is measured too.
        inputs: makes what it reads below a folder, from the number of hands.
        seconds, mib: the goals for all of HaGRID.
        about: what is done, for the table.
    """

    largest: int
    whole: bool
    inputs: Callable[[Path, int], None]
    seconds: float
    mib: float | None
    about: str


@dataclass(frozen=True)
class Cost:
    """Of one stage with so many hands: processor seconds of all processes and threads, peaks of resident memory in MiB,
    with and without pages of files.
    """

    hands: int
    wall: float
    processor: float
    mib: float
    anonymous: float | None


def main() -> None:
    if sys.argv[1:2] == ["do"]:
        WORK[sys.argv[2]](Path(sys.argv[3]))
    elif len(sys.argv) > 1:
        report(measure_all(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as folder:
            report(measure_all(Path(folder)))


def measure_all(folder: Path) -> dict[str, list[Cost]]:
    chosen = os.environ.get("STAGES", ",".join(STAGES)).split(",")
    for name in chosen:
        for hands in [each for each in sizes(STAGES[name]) if each <= int(os.environ.get("MOST", HAGRID))]:
            place = folder / str(hands)
            place.mkdir(parents=True, exist_ok=True)
            kept = place / f"{name}.json"
            if not kept.is_file():
                STAGES[name].inputs(place, hands)
                cost = measure(name, place, hands)
                kept.write_text(json.dumps(asdict(cost)))
                print(name, cost, flush=True)
    found = {name: [folder / str(hands) / f"{name}.json" for hands in sizes(stage)] for name, stage in STAGES.items()}
    there = {name: [file for file in files if file.is_file()] for name, files in found.items()}
    ladders = {name: files for name, files in there.items() if len(files) > DOUBLINGS}  # all of HaGRID may be missing
    return {name: [Cost(**json.loads(file.read_text())) for file in files] for name, files in ladders.items()}


def sizes(stage: Stage) -> list[int]:
    doublings = [stage.largest >> (DOUBLINGS - doubling) for doubling in range(DOUBLINGS + 1)]
    return [*doublings, HAGRID] if stage.whole else doublings


def measure(name: str, place: Path, hands: int) -> Cost:
    return Cost(hands, *watch([sys.executable, __file__, "do", name, str(place)]))


def need_annotations(place: Path, hands: int) -> None:
    if not (place / "hagrid").is_dir():
        write_dataset(place / "hagrid", hands * 3 // 4)  # a second hand in every third image


def need_table(place: Path, hands: int) -> None:
    """The sample table in all the places where stages look for it."""
    from static_gesture_classification.samples import write_samples

    first = place / "data" / "crops" / "samples.parquet"
    if first.is_file():
        return
    write_samples(sample_table(hands), first)
    for name in ("index", "splits", "landmarks"):
        (place / "data" / name).mkdir()
        os.link(first, place / "data" / name / "samples.parquet")


def sample_table(hands: int) -> pa.Table:
    from static_gesture_classification.samples import SCHEMA, landmark_column, sample_id, text_column

    random = np.random.default_rng(0)
    gestures = vocabulary_names()
    person = random.integers(hands // PEOPLE, size=hands)
    people = np.array([random.bytes(16).hex() for _ in range(hands // PEOPLE)], object)[person]
    splits = np.array(SPLITS, object)[random.choice(3, size=hands // PEOPLE, p=SHARES)][person]
    labels = random.integers(34, size=hands)
    images = [f"label_{label}/{random.bytes(18).hex()}.jpg" for label in labels.tolist()]
    corner = random.uniform(0, 0.6, (hands, 2)).astype(np.float32)
    side = random.uniform(0.05, 0.35, (hands, 2)).astype(np.float32)
    points = corner[:, None] + random.random((hands, 21, 2), dtype=np.float32) * side[:, None]
    texts = {
        "root": np.full(hands, "data/raw/hagrid", object),
        "gesture": np.array(gestures, object)[labels % len(gestures)],
        "source": np.full(hands, "hagrid", object),
        "source_label": np.array([f"label_{label}" for label in range(34)], object)[labels],
        "subject": people,
        "session": people,
        "hand": np.full(hands, "", object),
        "split": splits,
    }
    columns: dict[str, pa.Array] = {name: text_column(values) for name, values in texts.items()}
    columns |= {name: pa.array(values) for name, values in zip(("x1", "y1"), corner.T, strict=True)}
    columns |= {name: pa.array(values) for name, values in zip(("x2", "y2"), (corner + side).T, strict=True)}
    columns["sample_id"] = pa.array([sample_id("hagrid", image, 0) for image in images])
    columns["image"], columns["landmarks"] = pa.array(images), landmark_column(points)
    return pa.Table.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def vocabulary_names() -> tuple[str, ...]:
    import yaml

    return tuple(yaml.safe_load((PROJECT / "conf" / "gestures" / "static.yaml").read_text())["names"])


def need_predictions(place: Path, hands: int) -> None:
    """Predictions of val, a tenth of them wrong, and crops that take no place on the disk."""
    from static_gesture_classification.evaluation.predictions import predictions_of, sample_keys, write_predictions
    from static_gesture_classification.gestures import Vocabulary
    from static_gesture_classification.samples import read_rows

    need_table(place, hands)
    path = place / "reports" / "predictions" / "val.parquet"
    if path.is_file():
        return
    val = read_rows(place / "data" / "splits" / "samples.parquet")
    val = val[val["split"] == "val"].reset_index(drop=True)
    names, random = vocabulary_names(), np.random.default_rng(0)
    at = pd.Index(names).get_indexer(pd.Index(val["gesture"]))
    said = np.where(random.random(len(val)) < ERRORS, random.integers(len(names), size=len(val)), at)
    probabilities = random.dirichlet(np.full(len(names), 0.2), len(val)).astype(np.float32)
    probabilities[np.arange(len(val)), said] += 1
    probabilities *= np.float32(0.5)
    embeddings = random.normal(size=(len(val), EMBEDDING)).astype(np.float32)
    vocabulary = Vocabulary(names, names[0])
    write_predictions(predictions_of(sample_keys(val), probabilities, vocabulary, embeddings), path)
    empty = np.lib.format.open_memmap(place / "data" / "crops" / "crops.npy", "w+", np.uint8, (hands, 64, 64, 3))
    empty.flush()


def need_descriptors(place: Path, hands: int) -> None:
    """What is kept of the crops, as an earlier split left it."""
    need_table(place, hands)
    photographs(place, hands).facts()


def photographs(place: Path, hands: int) -> CropSource:
    """Crops of photographs, repeated and changed, and what is kept of them."""
    from near_duplicates import VariedCrops, read_photographs

    from static_gesture_classification.keyed_store import KEY
    from static_gesture_classification.preparation.splitting.crop_source import CropSource

    file = place.parent / "photographs.npy"
    if not file.is_file():
        np.save(file, read_photographs().crops)
    keys = np.stack([np.arange(hands, dtype="<u8"), np.zeros(hands, "<u8")], axis=1)
    return CropSource(VariedCrops(np.load(file), hands), keys.view(KEY).ravel(), place / "descriptors")


def do_describe(place: Path) -> None:
    photographs(place, int(place.name)).facts()


def do_index(place: Path) -> None:
    command(
        "preparation.index", "sources=[hagrid]", f"sources.hagrid.root={place / 'hagrid'}", f"paths.index={place}/i"
    )


def do_open(place: Path) -> None:
    from static_gesture_classification.samples import read_arrow

    read_arrow(place / "data" / "crops" / "samples.parquet")


def do_split(place: Path) -> None:
    from static_gesture_classification.preparation import split

    table, settings, vocabulary = opened(place)
    samples, made = split.split_samples(split.to_frame(table.select(split.SPLIT_COLUMNS)), None, settings, vocabulary)
    split.write_split(table, samples, made, place / "split")


def do_near_duplicates(place: Path) -> None:
    from static_gesture_classification.preparation.splitting.near_duplicates import near_duplicates

    people, splits = parties(int(place.name))
    near_duplicates(photographs(place, len(people)), people, 0, splits)


def do_near_duplicates_unpublished(place: Path) -> None:
    from static_gesture_classification.preparation.splitting.near_duplicates import near_duplicates

    people, _ = parties(int(place.name))
    near_duplicates(photographs(place, len(people)), people, 0)


def parties(hands: int) -> tuple[np.ndarray, np.ndarray]:
    """The person of each hand, and the published split of those in train or test; -1 of those in val."""
    random = np.random.default_rng(0)
    person = random.integers(hands // PEOPLE, size=hands)
    return person, np.array([0, -1, 2])[random.choice(3, size=hands // PEOPLE, p=SHARES)][person]


def need_pictures(place: Path, hands: int) -> None:
    """An index of photographs, each under several names."""
    from crop_store import index_some, repeated

    if not (place / "pictures.parquet").is_file():
        table, _ = index_some(place / "index")
        times = -(-hands // len(table))
        repeated(table, times, place, hands).replace(place / "pictures.parquet")


def do_crops(place: Path) -> None:
    from static_gesture_classification.preparation.crops import CropSettings, build_crops

    build_crops(place / "pictures.parquet", place / "cut", CropSettings(size=64, margin=0.15, max_rejected_share=0.01))


def opened(place: Path, columns: list[str] | None = None) -> tuple:
    from static_gesture_classification.gestures import Vocabulary
    from static_gesture_classification.preparation.split import SplitSettings
    from static_gesture_classification.samples import read_arrow

    names = vocabulary_names()
    settings = SplitSettings(val=0.15, test=0.15, respect_official=True, settled=("recorded",))
    return read_arrow(place / "data" / "crops" / "samples.parquet", columns), settings, Vocabulary(names, names[0])


def do_confusions(place: Path) -> None:
    command("active_learning.diagnosis.confusions", *paths(place))


def do_plan(place: Path) -> None:
    command("active_learning.planning.make_plan", *paths(place))


def paths(place: Path) -> list[str]:
    folders = [f"paths.{name}={place}/data/{name}" for name in ("index", "crops", "splits", "landmarks")]
    return [*folders, f"paths.reports={place}/reports", f"paths.models={place}/models", f"paths.runs={place}/runs"]


def do_mining(place: Path) -> None:
    """What mining reads of the known data: the pool without known hands, and candidates beside all known crops."""
    from hydra import compose, initialize_config_dir

    from static_gesture_classification.active_learning.mining.pool import PoolHands, leave_out_known
    from static_gesture_classification.active_learning.mining.settings import MiningSettings
    from static_gesture_classification.samples import read_rows

    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        settings = MiningSettings.from_config(compose("config", paths(place)))
    pool = read_rows(place / "data" / "index" / "samples.parquet").iloc[::7].reset_index(drop=True).assign(split="")
    new, unseen = pool.index % 10 > 0, pool.index % 10 > 1  # a tenth are known, a tenth lie in known images
    pool.loc[new, "sample_id"] = pool["sample_id"][new].str[::-1]
    pool.loc[unseen, "image"] = pool["image"][unseen].str.replace(".jpg", "-1.jpg")
    leave_out_known(PoolHands("pool", pool), settings)


def do_new_crops(place: Path) -> None:
    """The comparison of a few new crops with all that are known, as mining makes it."""
    from static_gesture_classification.preparation.splitting.crop_source import CropSource, JoinedCrops
    from static_gesture_classification.preparation.splitting.near_duplicates import UNSETTLED, near_duplicates

    known = photographs(place, int(place.name))
    crops = JoinedCrops(known, CropSource(known[:NEW][:, :, ::-1]))
    groups = np.maximum(np.arange(len(crops)) - len(known) + 1, 0)
    near_duplicates(crops, groups, 0, np.where(groups, UNSETTLED, 0))


def do_quick_split(place: Path) -> None:
    """The quick loop's split: a few new samples join the existing one, but for near-duplicates of val and test."""
    from static_gesture_classification.active_learning.retraining import frozen_split
    from static_gesture_classification.samples import to_frame, with_texts, write_samples

    table, settings, vocabulary = opened(place)
    earlier = frozen_split.earlier_splits([place / "data" / "splits" / "samples.parquet"]).iloc[NEW:]
    samples, crops = to_frame(table.drop_columns(["landmarks"])), photographs(place, len(table))
    frozen = frozen_split.freeze_split(samples, crops, earlier, settings, vocabulary)
    write_samples(with_texts(table, "split", frozen.samples["split"]), place / "quick.parquet")


def command(module: str, *overrides: str) -> None:
    run = [sys.executable, "-m", f"static_gesture_classification.{module}", *overrides]
    subprocess.run(run, cwd=PROJECT, stdout=subprocess.DEVNULL, check=True)


WORK = {
    "index": do_index,
    "crops": do_crops,
    "open": do_open,
    "split": do_split,
    "describe": do_describe,
    "near": do_near_duplicates,
    "near-all": do_near_duplicates_unpublished,
    "confusions": do_confusions,
    "plan": do_plan,
    "mining": do_mining,
    "new": do_new_crops,
    "quick": do_quick_split,
}
STAGES = {
    "index": Stage(100_000, True, need_annotations, 45, 2048, "`gestures index`"),
    "crops": Stage(4_000, False, need_pictures, 4.8 * 3600, None, "`gestures crops`, 64 pixels, small pictures"),
    "open": Stage(HAGRID // 4, True, need_table, 2, 1024, "opening the sample table, all columns"),
    "split": Stage(HAGRID // 4, True, need_table, 20, 3072, "`gestures split` without pixels"),
    "describe": Stage(HAGRID // 16, True, need_table, 1200, None, "describing crops, once"),
    "near": Stage(HAGRID // 16, True, need_descriptors, 1200, None, "near-duplicates, published splits"),
    "near-all": Stage(HAGRID // 16, True, need_descriptors, 1200, None, "near-duplicates, nothing published"),
    "confusions": Stage(HAGRID // 4, True, need_predictions, 10, None, "`gestures confusions`"),
    "plan": Stage(HAGRID // 4, True, need_predictions, 10, None, "`gestures plan`"),
    "mining": Stage(HAGRID // 4, True, need_table, 10, None, "mining: what is known, left out of a pool of n / 7"),
    "new": Stage(HAGRID // 16, True, need_descriptors, 10, None, f"mining: {NEW} candidates beside all crops"),
    "quick": Stage(HAGRID // 16, True, need_descriptors, 10, None, f"quick loop: {NEW} new samples join the split"),
}


def report(costs: dict[str, list[Cost]]) -> None:
    draw(costs, RESULT.with_suffix(".png"))
    machine = measured_on("numpy", "numba", "pandas", "pyarrow")
    text = "\n".join(
        [
            f"# How costs grow\n\n{machine}; load average {os.getloadavg()[0]:.1f}.\n",
            "Wall seconds, with processor seconds of all processes and threads in brackets; the machine is shared, so "
            "the latter say more about growth. Both include the start of Python and of the command. `growth` is how "
            "the processor seconds grow over the last doubling (2.0 is linear). Memory is what is resident, in "
            "brackets without pages of files, which the system can take back.\n",
            "| stage | 8n hands | n | 2n | 4n | 8n | growth | MiB at 8n | 1.4 million hands | goal |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *(row(STAGES[name], own) for name, own in costs.items()),
            "\n![growth](growth.png)\n",
        ]
    )
    print(text)
    RESULT.write_text(text, encoding="utf-8")


def row(stage: Stage, costs: list[Cost]) -> str:
    ladder = costs[: DOUBLINGS + 1]
    before, last = ladder[-2:]
    cells = [f"{cost.wall:.1f} ({cost.processor:.1f})" for cost in ladder]
    if len(costs) > len(ladder):
        whole = f"{costs[-1].wall:.1f} s ({costs[-1].processor:.1f}), {memory(costs[-1])} MiB, measured"
    else:
        more = (HAGRID - last.hands) / (last.hands - before.hands)
        spent = last.processor + more * (last.processor - before.processor)
        whole = f"{spent:.0f} processor seconds, computed"
    goal = f"{stage.seconds:.0f} s" + (f", {stage.mib:,.0f} MiB" if stage.mib else "")
    ends = [f"{last.processor / before.processor:.2f}", memory(last), whole, goal]
    return f"| {' | '.join([stage.about, f'{last.hands:,}', *cells, *ends])} |"


def memory(cost: Cost) -> str:
    return f"{cost.mib:,.0f}" + ("" if cost.anonymous is None else f" ({cost.anonymous:,.0f})")


def draw(costs: dict[str, list[Cost]], path: Path) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 6), layout="constrained")
    for number, (name, own) in enumerate(costs.items()):
        look = "o-" if number < 10 else "s--"  # there are ten colours
        axes.plot([c.hands for c in own], [c.processor for c in own], look, label=STAGES[name].about)
    axes.plot([25_000, HAGRID], [1, HAGRID / 25_000], color="grey", linestyle=":", label="linear")
    axes.set(xscale="log", yscale="log", xlabel="hands", ylabel="processor seconds")
    axes.set_title("How costs grow with the number of hands")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
