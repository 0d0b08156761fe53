"""Fixtures shared by all tests."""

from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
PHOTOGRAPHS = PROJECT.parent / "shared" / "data"


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
