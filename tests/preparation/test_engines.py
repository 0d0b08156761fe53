"""Engines give the results in order, and are built from the configuration."""

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from static_gesture_classification.detection.networks import useful_threads
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.parallel import shared_files
from static_gesture_classification.parallel.engine import Engine, EngineSettings
from static_gesture_classification.parallel.local import LocalEngine
from static_gesture_classification.preparation.cropping import crop_image
from static_gesture_classification.preparation.per_image import SampleImages, for_each_image
from static_gesture_classification.samples import read_arrow
from static_gesture_classification.sources.hagrid import Hagrid
from tests.support.composing import composed


def test_this_machine_is_the_engine_unless_another_is_chosen() -> None:
    assert isinstance(EngineSettings.from_config(composed()).build(), LocalEngine)
    assert isinstance(EngineSettings().build(), LocalEngine)


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(LocalEngine().map(lambda number: 2 * number, range(40), threads=True)) == list(range(0, 80, 2))


@pytest.mark.concurrent
def test_worker_processes_are_told_that_they_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = LocalEngine().workers()
    assert list(LocalEngine().map(_threads_here, range(2), jobs=cores)) == [1, 1]


def _threads_here(_: int) -> int:
    return useful_threads()


def test_what_is_no_engine_is_named() -> None:
    with pytest.raises(UserError, match=r"parallel\._target_ is 'pathlib\.Path', which is no engine"):
        EngineSettings(node={"_target_": "pathlib.Path"}).build()


def test_without_ray_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'static-gesture-classification\[ray\]'"):
        EngineSettings.from_config(composed("parallel=ray", "parallel.address=nowhere:1")).build()


@dataclass
class WorkerWithout(Engine):
    """An engine whose one worker, node2, lacks a file or folder of the caller's."""

    lacking: Path
    monkeypatch: pytest.MonkeyPatch

    def workers(self) -> int:
        return 1

    def map(
        self, work: Callable[[Any], Any], items: Iterable[Any], threads: bool = False, jobs: int = -1
    ) -> Iterator[Any]:
        elsewhere = self.lacking.with_name("elsewhere")
        self.lacking.rename(elsewhere)
        try:
            with self.monkeypatch.context() as patch:
                patch.setattr(shared_files.socket, "gethostname", lambda: "node2")
                return iter([work(item) for item in items])
        finally:
            elsewhere.rename(self.lacking)


def crop_all(path: Path, engine: Engine) -> list[Any]:
    images = SampleImages.of(read_arrow(path), path)
    tasks = images.tasks(np.arange(len(images.table)))
    known = np.zeros(len(images.table), "V16")
    waves = for_each_image(lambda task: crop_image(task, known, 16, 0.1), tasks, "crops", 4, engine)
    return [result for wave in waves for _, result in wave]


@pytest.mark.parametrize("lacking", ["root", "file"])
def test_image_that_a_worker_lacks_is_an_error_that_names_it(
    dataset: Callable[[int], tuple[pd.DataFrame, Path]], lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, path = dataset(3)
    root = Path(table["root"].iloc[0])
    engine = WorkerWithout(root if lacking == "root" else root / table["image"].iloc[0], monkeypatch)
    with pytest.raises(DataError, match=rf"worker node2 cannot see {root}.*same path, or at a URL.*parallel=local"):
        crop_all(path, engine)


def test_image_that_nobody_has_is_rejected_with_its_reason(
    dataset: Callable[[int], tuple[pd.DataFrame, Path]],
) -> None:
    table, path = dataset(3)
    missing = Path(table["root"].iloc[0]) / table["image"].iloc[0]
    missing.unlink()
    assert crop_all(path, LocalEngine()).count("the file is missing") == 1


def test_annotations_that_a_worker_lacks_are_an_error_that_names_it(
    hagrid_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = WorkerWithout(hagrid_copy, monkeypatch)
    with pytest.raises(DataError, match=rf"worker node2 cannot see {hagrid_copy}"):
        list(Hagrid(name="hagrid", root=str(hagrid_copy)).read(Vocabulary(("NONE", "HORNS")), engine=engine))


@pytest.fixture
def hagrid_copy(tmp_path: Path) -> Path:
    """A folder of HaGRID's layout with one file of annotations."""
    file = tmp_path / "hagrid" / "annotations" / "train" / "rock.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    return tmp_path / "hagrid"
