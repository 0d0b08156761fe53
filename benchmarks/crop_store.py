"""What the crops of a large dataset cost: hours, disk, and copying them in shards.

    python benchmarks/crop_store.py

cuts the hands of 20,000 images with the crops stage, at the sizes that our models use (2,000 images for the largest, to
save the disk): 2,000 photographs in ../shared/data/hagrid_mini, each under several names. Then it pushes the store to a
folder, pulls it, and pulls it again after every tenth sample has gone. Costs of all of HaGRID v2 (1.09 million images,
1.4 million hands) are computed from these. The table is printed and kept in benchmarks/results/crop_store.md.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from hydra import compose, initialize_config_dir
from machine import measured_on

from static_gesture_classification.configuration import CONF
from static_gesture_classification.preparation.copies.pull_crops import pull_crops
from static_gesture_classification.preparation.copies.push_crops import push_crops
from static_gesture_classification.preparation.copies.shards import CopySettings
from static_gesture_classification.preparation.crops import CropSettings, build_crops
from static_gesture_classification.preparation.index import IndexSettings, index_sources
from static_gesture_classification.samples import SCHEMA, image_path, read_arrow, with_texts, write_samples

PROJECT = Path(__file__).resolve().parent.parent
PHOTOGRAPHS = PROJECT.parent / "shared" / "data" / "hagrid_mini"
RESULT = PROJECT / "benchmarks" / "results" / "crop_store.md"
ALL_IMAGES, ALL_HANDS = 1_090_000, 1_400_000
PHOTOGRAPH_COUNT = 2000
NAMES = {64: 10, 96: 10, 224: 1}  # of each photograph, by size of the crops
MARGIN = 0.15


@dataclass(frozen=True)
class Costs:
    """Seconds of the stage, of a push and a pull, and of a pull after a change; bytes of the store and of that pull."""

    size: int
    images: int
    hands: int
    stage: float
    push: float
    pull: float
    again: float
    store: int
    fetched: int


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        table, mean = index_some(Path(folder))
        costs = [
            measure(repeated(table, names, Path(folder)), Path(folder) / str(size), size)
            for size, names in NAMES.items()
        ]
    text = report(costs, mean)
    print(text)
    RESULT.write_text(text, encoding="utf-8")


def index_some(folder: Path) -> tuple[pa.Table, float]:
    """The sample table of the photographs, and their mean size in bytes; they are in the system's memory afterwards."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", ["sources=[hagrid]", f"sources.hagrid.root='{PHOTOGRAPHS}'"])
    chosen = IndexSettings.from_config(config)
    index_sources(chosen.sources, chosen.vocabulary, folder, chosen.max_rejected_share)
    table = read_arrow(folder / "samples.parquet")
    images = list(dict.fromkeys(table.column("image").to_pylist()))[:PHOTOGRAPH_COUNT]
    kept = set(images)
    some = table.filter([name in kept for name in table.column("image").to_pylist()])
    sizes = [len(image_path(str(PHOTOGRAPHS), name).read_bytes()) for name in images]
    return some, sum(sizes) / len(sizes)


def repeated(table: pa.Table, times: int, folder: Path, hands: int | None = None) -> Path:
    """A sample table in which each photograph has several names; of so many hands."""
    parts = []
    for number in range(times):
        place = folder / f"{number}"
        if not place.is_symlink():
            place.symlink_to(PHOTOGRAPHS)
        ids = [f"{number:02d}{sample[2:]}" for sample in table.column("sample_id").to_pylist()]
        named = table.set_column(0, SCHEMA.field("sample_id"), pa.array(ids))
        parts.append(with_texts(named, "root", [str(place)] * len(table)))
    index = folder / f"{times}.parquet"
    write_samples(pa.concat_tables(parts, promote_options="permissive").unify_dictionaries().slice(0, hands), index)
    return index


def measure(index: Path, folder: Path, size: int) -> Costs:
    settings = CropSettings(size=size, margin=MARGIN, max_rejected_share=0.01)
    copy = CopySettings(url=str(folder / "copy"), shard_mib=8, transfers=4)
    stage = timed(lambda: build_crops(index, folder / "crops", settings))
    store = sum(path.stat().st_size for path in (folder / "crops").iterdir())
    push = timed(lambda: push_crops(folder / "crops", copy))
    pull = timed(lambda: pull_crops(folder / "elsewhere", copy))
    table = read_arrow(index)
    write_samples(table.slice(0, len(table) * 9 // 10), folder / "fewer.parquet")
    build_crops(folder / "fewer.parquet", folder / "crops", settings)
    push_crops(folder / "crops", copy)
    fetched: list[int] = []
    again = timed(lambda: fetched.append(pull_crops(folder / "elsewhere", copy)))
    images = len(set(zip(*(table.column(name).to_pylist() for name in ("root", "image")), strict=True)))
    return Costs(size, images, len(table), stage, push, pull, again, store, fetched[0])


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def report(costs: list[Costs], mean: float) -> str:
    lines = [
        "# Crops of a large dataset: hours, disk, copies in shards",
        "",
        f"{measured_on('simplejpeg', 'numpy', 'joblib', 'fsspec')}; "
        f"load average {os.getloadavg()[0]:.1f}. Measured on {PHOTOGRAPH_COUNT:,} photographs of hagrid_mini, "
        f"{mean / 1024:,.0f} KiB each, under several names, files in memory; shards of 8 MiB to a "
        "folder of the same disk. *Computed* from these for all of "
        f"HaGRID v2, {ALL_IMAGES:,} images and {ALL_HANDS:,} hands, in pictures of this size (full HD: crop_speed.md).",
        "",
        "| crop | images | crops stage | store | pushed, pulled | a tenth dropped, pulled again | *computed:* hours "
        "| *disk* |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in costs:
        rate, copied = each.images / each.stage, each.store / 1e6
        disk = each.store / each.hands * ALL_HANDS / 1e9
        lines.append(
            f"| {each.size} | {each.images:,} | {rate:,.0f} images/s | {each.store / 1e6:,.0f} MB "
            f"| {copied / each.push:,.0f}, {copied / each.pull:,.0f} MB/s | {each.again:.2f} s, "
            f"{each.fetched / 1e6:,.1f} MB | {ALL_IMAGES / rate / 3600:.2f} h | {disk:,.0f} GB |"
        )
    hours = ALL_IMAGES / 64 / 3600, ALL_IMAGES / 128 / 3600
    lines += [
        "",
        "By the rates of full-HD pictures in crop_speed.md (64 to 128 images/s here), all of HaGRID v2 takes "
        f"{hours[1]:.1f} to {hours[0]:.1f} hours on this machine; parts (`crops.part=2/8`) or a Ray cluster divide it.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
