"""Fixtures shared by all tests."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import browser, camera_film  # noqa: F401  (fixtures)
from tests.support.conf_cache import compose_once
from tests.support.warm_python import WarmPython

# Two workers share the processors; libraries that each start a thread per processor are in one another's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Files that take longest. Run last, they would keep one worker busy while the other has nothing left to do.
LONGEST = ("test_nothing_is_sent", "test_pipeline", "test_bad_input")

# Tests compose the configuration a thousand times, mostly the same ones.
compose_once()

PROJECT = Path(__file__).resolve().parent.parent
PHOTOGRAPHS = PROJECT.parent / "shared" / "data"
CASES = PROJECT.parent / "shared" / "cases"
HAND_LANDMARKER = PROJECT.parent / "shared" / "models" / "hand_landmarker.task"


def pytest_addoption(parser: pytest.Parser) -> None:
    """How often each test runs."""
    parser.addoption("--times", type=int, default=1, metavar="N", help="run each test N times")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run under this machine's own settings, with which hundreds of tests would fail."""
    local = PROJECT / "conf" / "local"
    if any(local.glob("*.yaml")):
        raise pytest.UsageError(
            f"the settings of this machine in {local} would change what the tests check. Run them in a clone, which "
            "has none: git clone . ../clean && make -C ../clean test; or move that folder away meanwhile"
        )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make as many tests of each as are wanted."""
    times = metafunc.config.getoption("times")
    if times > 1:
        metafunc.fixturenames.append("repetition")
        metafunc.parametrize("repetition", range(times))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's root folder."""
    return PROJECT


@pytest.fixture(scope="session")
def photographs() -> Path:
    """Folder of real photographs in the datasets' own layouts; they are not part of the project."""
    if not PHOTOGRAPHS.is_dir():
        pytest.skip("real photographs are not present at ../shared/data")
    return PHOTOGRAPHS


@pytest.fixture(scope="session")
def cases() -> Path:
    """Folder of awkward inputs that people have; they are not part of the project."""
    if not CASES.is_dir():
        pytest.skip("the awkward inputs are not present at ../shared/cases")
    return CASES


@pytest.fixture(scope="session")
def hand_landmarker() -> Path:
    """MediaPipe's model file; it is not part of the project, and tests do not fetch it."""
    if not HAND_LANDMARKER.is_file():
        pytest.skip("MediaPipe's model is not present at ../shared/models/hand_landmarker.task")
    return HAND_LANDMARKER


@pytest.fixture(scope="session")
def warm_python() -> Iterator[WarmPython]:
    """Commands `python` and `dvc` that have their libraries loaded."""
    # A short path: that of a socket has at most 107 characters.
    with tempfile.TemporaryDirectory() as folder, WarmPython(Path(folder)) as warm:
        yield warm
