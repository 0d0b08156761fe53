"""What the crops of a large dataset cost: hours, disk, and copying them in shards.

    python benchmarks/crop_store.py

cuts the hands of 2,000 photographs in ../shared/data/hagrid_mini with the crops stage, at the sizes that our models
use, then pushes the store to a folder, pulls it, and pulls it again after every tenth sample has gone. Costs of all of
HaGRID v2 (1.09 million images, 1.4 million hands) are computed from these. The table is printed and kept in
benchmarks/results/crop_store.md.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hydra import compose, initialize_config_dir
from machine import measured_on

from static_gesture_classification.configuration import CONF
from static_gesture_classification.preparation.copies.pull_crops import pull_crops
from static_gesture_classification.preparation.copies.push_crops import push_crops
from static_gesture_classification.preparation.copies.shards import CopySettings
from static_gesture_classification.preparation.crops import CropSettings, build_crops
from static_gesture_classification.preparation.index import IndexSettings, index_sources
from static_gesture_classification.samples import image_path, read_arrow, write_samples

PROJECT = Path(__file__).resolve().parent.parent
PHOTOGRAPHS = PROJECT.parent / "shared" / "data" / "hagrid_mini"
RESULT = PROJECT / "benchmarks" / "results" / "crop_store.md"
IMAGES, ALL_IMAGES, ALL_HANDS = 2000, 1_090_000, 1_400_000
SIZES = (64, 96, 224)
MARGIN = 0.15


@dataclass(frozen=True)
class Costs:
    """Seconds of the stage, of a push and a pull, and of a pull after a change; bytes of the store and of that pull."""

    size: int
    hands: int
    stage: float
    push: float
    pull: float
    again: float
    store: int
    fetched: int


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        index, images, mean = index_some(Path(folder))
        costs = [measure(index, Path(folder) / str(size), size) for size in SIZES]
    text = report(costs, images, mean)
    print(text)
    RESULT.write_text(text, encoding="utf-8")


def index_some(folder: Path) -> tuple[Path, int, float]:
    """The sample table of the first images, how many they are, and their mean size in bytes."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", ["sources=[hagrid]", f"sources.hagrid.root='{PHOTOGRAPHS}'"])
    chosen = IndexSettings.from_config(config)
    index_sources(chosen.sources, chosen.vocabulary, folder, chosen.max_rejected_share)
    table = read_arrow(folder / "samples.parquet")
    images = list(dict.fromkeys(table.column("image").to_pylist()))[:IMAGES]
    kept = set(images)
    some = table.filter([name in kept for name in table.column("image").to_pylist()])
    write_samples(some, folder / "some.parquet")
    sizes = [image_path(str(PHOTOGRAPHS), name).stat().st_size for name in images]
    return folder / "some.parquet", len(images), sum(sizes) / len(sizes)


def measure(index: Path, folder: Path, size: int) -> Costs:
    settings = CropSettings(size=size, margin=MARGIN, max_rejected_share=0.01)
    copy = CopySettings(url=str(folder / "copy"), shard_mib=8, transfers=4)
    build_crops(index, folder / "warm", settings)  # reads the files into memory
    stage = timed(lambda: build_crops(index, folder / "crops", settings))
    push = timed(lambda: push_crops(folder / "crops", copy))
    pull = timed(lambda: pull_crops(folder / "elsewhere", copy))
    table = read_arrow(index)
    write_samples(table.slice(0, len(table) * 9 // 10), folder / "fewer.parquet")
    build_crops(folder / "fewer.parquet", folder / "crops", settings)
    push_crops(folder / "crops", copy)
    fetched: list[int] = []
    again = timed(lambda: fetched.append(pull_crops(folder / "elsewhere", copy)))
    store = sum(path.stat().st_size for path in (folder / "warm").iterdir())
    return Costs(size, len(table), stage, push, pull, again, store, fetched[0])


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def report(costs: list[Costs], images: int, mean: float) -> str:
    lines = [
        "# Crops of a large dataset: hours, disk, copies in shards",
        "",
        f"{measured_on('simplejpeg', 'numpy', 'joblib', 'fsspec')}; "
        f"load average {os.getloadavg()[0]:.1f}. Measured on {images:,} photographs of hagrid_mini, {mean / 1024:,.0f} "
        "KiB each, files in memory; shards of 8 MiB to a folder of the same disk. *Computed* from these for all of "
        f"HaGRID v2, {ALL_IMAGES:,} images and {ALL_HANDS:,} hands, in pictures of this size (full HD: crop_speed.md).",
        "",
        "| crop | crops stage | store | pushed, pulled | a tenth dropped, pulled again | *computed:* hours | *disk* |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in costs:
        rate, copied = images / each.stage, each.store / 1e6
        disk = each.store / each.hands * ALL_HANDS / 1e9
        lines.append(
            f"| {each.size} | {rate:,.0f} images/s | {each.store / 1e6:,.0f} MB | {copied / each.push:,.0f}, "
            f"{copied / each.pull:,.0f} MB/s | {each.again:.2f} s, {each.fetched / 1e6:,.1f} MB | "
            f"{ALL_IMAGES / rate / 3600:.2f} h | {disk:,.0f} GB |"
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
