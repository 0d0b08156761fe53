"""A small synthetic dataset, as the configuration describes it, and variations of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from static_gesture_classification.configuration import CONF
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.synthetic.dataset import SyntheticDataset
from static_gesture_classification.synthetic.poses import read_poses
from static_gesture_classification.synthetic.settings import SyntheticSettings

SMALL = ("synthetic.images=33", "synthetic.subjects=7", "synthetic.size=64", "synthetic.n_jobs=1")
Make = Callable[..., SyntheticDataset]


@pytest.fixture(scope="session")
def config() -> Any:
    """The configuration of a small dataset."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", list(SMALL))


@pytest.fixture(scope="session")
def described(config: Any) -> dict[str, Any]:
    """The poses as conf/poses describes them; not to be changed."""
    return OmegaConf.to_container(config.poses)  # type: ignore[return-value]


@pytest.fixture(scope="session")
def dataset(config: Any) -> SyntheticDataset:
    """A small dataset."""
    return SyntheticDataset.from_config(config)


@pytest.fixture(scope="session")
def make_dataset(dataset: SyntheticDataset, described: dict[str, Any]) -> Make:
    """Makes the small dataset with other gestures, settings, or poses of some gestures."""

    def make(
        names: tuple[str, ...] = dataset.vocabulary.names, poses: Mapping[str, Any] | None = None, **changes: Any
    ) -> SyntheticDataset:
        settings = SyntheticSettings.check({**dataset.settings.model_dump(), **changes}, "synthetic")
        book = read_poses({**described, "gestures": {**described["gestures"], **(poses or {})}}, names)
        return replace(dataset, vocabulary=Vocabulary(names, "BACKGROUND"), settings=settings, poses=book)

    return make
