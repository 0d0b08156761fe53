from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from static_gesture_classification.synthetic.contact_sheet import (
    CONTACT_TILE,
    LABEL_HEIGHT,
    draw_contact_sheet,
    main,
)
from static_gesture_classification.synthetic.dataset import Picture, SyntheticDataset


def test_one_row_per_gesture_and_one_column_per_person(dataset: SyntheticDataset):
    sheet = np.asarray(draw_contact_sheet(dataset, subjects=2))
    assert sheet.shape == (len(dataset.vocabulary) * (CONTACT_TILE + LABEL_HEIGHT), 2 * CONTACT_TILE, 3)
    for row, gesture in enumerate(dataset.vocabulary):
        top = row * (CONTACT_TILE + LABEL_HEIGHT)
        label, tiles = (
            sheet[top : top + LABEL_HEIGHT],
            sheet[top + LABEL_HEIGHT : top + LABEL_HEIGHT + CONTACT_TILE],
        )
        assert (label < 128).any()
        assert (label[:, CONTACT_TILE:] == 255).all()
        for column in range(2):
            photograph = Image.fromarray(dataset.photograph(Picture(gesture, column)))
            tile = np.asarray(photograph.resize((CONTACT_TILE, CONTACT_TILE), Image.Resampling.LANCZOS))
            np.testing.assert_array_equal(tiles[:, column * CONTACT_TILE : (column + 1) * CONTACT_TILE], tile)


def test_the_command_writes_a_jpeg(config: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "sheet of 手.jpg"
    own = OmegaConf.merge(
        config, {"synthetic": {"contact_sheet": str(path)}, "gestures": {"names": ["ONE", "BACKGROUND"]}}
    )
    run: Callable[[Any], None] = main.__wrapped__  # type: ignore[attr-defined]
    run(own)
    with Image.open(path) as sheet:
        assert sheet.format == "JPEG"
        assert sheet.size == (8 * CONTACT_TILE, 2 * (CONTACT_TILE + LABEL_HEIGHT))
    assert str(path) in capsys.readouterr().out
