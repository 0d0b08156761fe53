"""A Ray cluster of two nodes, which these tests start and stop: the bytes of one machine, whatever dies."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.parallel import engine as engines
from static_gesture_classification.parallel.engine import Engine, EngineSettings
from static_gesture_classification.preparation import crops, index, landmarks
from static_gesture_classification.preparation.crops import CropSettings, build_crops
from static_gesture_classification.synthetic import generate
from tests.support.composing import composed
from tests.support.dying_workers import always_die, crop_or_die, double, refuse, seen_by

pytestmark = [pytest.mark.full, pytest.mark.concurrent]

Dataset = Callable[[int], tuple[pd.DataFrame, Path]]
SMALL = ("synthetic.images=40", "synthetic.subjects=7", "synthetic.size=64", "sources=[synthetic]", "crops.size=32")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and a second node with a processor each."""
    pytest.importorskip("ray", reason="Ray is not installed (pip install -e '.[ray]')")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    cluster.add_node(**node)
    cluster.wait_for_nodes()
    yield cluster
    import ray

    ray.shutdown()
    engines.built.cache_clear()
    cluster.shutdown()


@pytest.fixture
def on_cluster(cluster: Any) -> tuple[str, ...]:
    """The overrides that choose it."""
    return "parallel=ray", f"parallel.address='{cluster.address}'"


@pytest.fixture
def ray_engine(on_cluster: tuple[str, ...]) -> Engine:
    return EngineSettings.from_config(composed(*on_cluster)).build()


def digests(folder: Path) -> dict[str, str]:
    """Content hash of every file; what the crops stage remembers of file times is its own affair."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".records.npy" and path.suffix != ".lock"
    }


def test_both_nodes_work_and_nothing_is_reported(ray_engine: Engine) -> None:
    seen = list(ray_engine.map(seen_by, range(60)))
    assert ray_engine.workers() == 2
    assert len({node for node, _, _ in seen}) == 2
    assert {statistics for _, statistics, _ in seen} == {"0"}
    assert not any(configured for _, _, configured in seen)


def test_killed_worker_changes_no_result(ray_engine: Engine, tmp_path: Path) -> None:
    found = list(ray_engine.map(partial(double, marker=tmp_path / "died"), range(20)))
    assert found == list(range(0, 40, 2))
    assert (tmp_path / "died").exists()


def test_error_of_a_worker_is_the_users_own(ray_engine: Engine) -> None:
    with pytest.raises(DataError) as raised:
        list(ray_engine.map(refuse, [7]))
    assert str(raised.value) == "7 is a bad number"


def test_work_that_always_kills_its_worker_ends_with_the_way_out(on_cluster: tuple[str, ...], cluster: Any) -> None:
    engine = EngineSettings.from_config(composed(*on_cluster, "parallel.retries=1")).build()
    with pytest.raises(UserError, match=r"lost the same work 2 times.*parallel=local"):
        list(engine.map(always_die, [1]))


def test_synthetic_hands_index_and_crops_have_the_bytes_of_one_machine(
    on_cluster: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, chosen in {"one": ("parallel=local",), "many": on_cluster}.items():
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        config = composed(*SMALL, *chosen)
        for stage in (generate, index, crops):
            stage.main.__wrapped__(config)
    assert digests(tmp_path / "many") == digests(tmp_path / "one")


def test_landmarks_have_the_bytes_of_one_machine(
    dataset: Dataset, on_cluster: tuple[str, ...], hand_landmarker: Path, tmp_path: Path
) -> None:
    _, table = dataset(60)
    for name, chosen in {"one": ("parallel=local",), "many": on_cluster}.items():
        config = landmark_config(tmp_path / name, hand_landmarker, *chosen)
        settings = landmarks.LandmarkSettings.from_config(config)
        landmarks.build_landmarks(table, None, tmp_path / name / "landmarks", settings)
    assert digests(tmp_path / "many" / "landmarks") == digests(tmp_path / "one" / "landmarks")


def landmark_config(folder: Path, model: Path, *chosen: str) -> DictConfig:
    cache = f"landmarks.cache='{folder / 'cache'}'"
    return composed("landmarks.extract=always", cache, f"detector.model.path='{model}'", *chosen)


def test_embeddings_are_those_of_one_machine(ray_engine: Engine, tmp_path: Path) -> None:
    from static_gesture_classification.training.crop_embeddings import embed_crops
    from static_gesture_classification.training.models.hand_network import HandNetwork

    some = np.random.default_rng(0).integers(1, 255, (130, 32, 32, 3), np.uint8)
    network, rows = HandNetwork(64), np.arange(len(some))
    for name, engine in {"one": EngineSettings().build(), "many": ray_engine}.items():
        embed_crops(some, rows, network, tmp_path / name, "cpu", engine)
    assert digests(tmp_path / "many") == digests(tmp_path / "one")


def test_crops_are_the_same_when_a_worker_dies_in_the_midst(
    dataset: Dataset, on_cluster: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, table = dataset(40)
    local = CropSettings(size=32, margin=0.15, max_rejected_share=0)
    build_crops(table, tmp_path / "calm", local)
    marker = tmp_path / "died"
    monkeypatch.setattr(crops, "crop_image", partial(crop_or_die, marker=marker))
    engine = EngineSettings.from_config(composed(*on_cluster))
    build_crops(table, tmp_path / "rough", local.model_copy(update={"engine": engine}))
    assert marker.exists()
    assert digests(tmp_path / "rough") == digests(tmp_path / "calm")


def test_lost_machine_changes_no_result(ray_engine: Engine, cluster: Any, tmp_path: Path) -> None:
    results = ray_engine.map(partial(double, marker=tmp_path / "died"), range(200))
    found = [next(results) for _ in range(12)]
    cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)
    assert [*found, *results] == list(range(0, 400, 2))
