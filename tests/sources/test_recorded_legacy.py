import json
from collections.abc import Callable
from pathlib import Path

import pytest

from static_gesture_classification.errors import DataError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.sources.recorded_legacy import RecordedLegacy

Save = Callable[..., Path]


def save_meta(folder: Path, content: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").write_text(content)


def test_one_box_in_pixels_serves_all_frames(tmp_path: Path, save_image: Save, vocabulary: Vocabulary) -> None:
    for frame in (0, 1):
        save_image(tmp_path / f"record_0/images/image_{frame}.png", width=640, height=480)
    (tmp_path / "record_0/images/image_2.png").touch()
    save_meta(tmp_path / "record_0", json.dumps({"bbox": [64, 48, 320, 240], "gesture": "THUMBS_UP"}))
    (batch,) = RecordedLegacy(name="recorded_legacy", root=str(tmp_path)).read(vocabulary)
    rows = batch.table.to_pylist()
    assert [row["image"] for row in rows] == ["record_0/images/image_0.png", "record_0/images/image_1.png"]
    for row in rows:
        assert [row[name] for name in ("x1", "y1", "x2", "y2")] == pytest.approx([0.1, 0.1, 0.5, 0.5])
        assert row["gesture"] == "THUMBS_UP"
        assert (row["subject"], row["session"]) == ("", "recorded_legacy/record_0")
    assert [entry.reason for entry in batch.rejected] == ["cannot read the image: file is empty"]


@pytest.mark.parametrize(
    ("content", "message"), [('{"bbox": [1,', "not whole JSON"), ('{"bbox": []}', "gesture is missing")]
)
def test_broken_recording_is_an_error_that_names_its_file(
    content: str, message: str, tmp_path: Path, vocabulary: Vocabulary
) -> None:
    save_meta(tmp_path / "record_0", content)
    with pytest.raises(DataError, match=rf"record_0/meta\.json.*{message}"):
        list(RecordedLegacy(name="recorded_legacy", root=str(tmp_path)).read(vocabulary))


def test_real_recordings_are_all_read(photographs: Path, vocabulary: Vocabulary) -> None:
    source = RecordedLegacy(name="recorded_legacy", root=str(photographs / "recorded_legacy"))
    batches = list(source.read(vocabulary))
    assert [(set(batch.table["gesture"].to_pylist()), len(batch.table)) for batch in batches] == [
        ({"BACKGROUND"}, 10),
        ({"THUMBS_DOWN"}, 5),
        ({"THUMBS_UP"}, 5),
    ]
    assert not any(batch.rejected for batch in batches)
