from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.inference.frames import Frame, frames
from static_gesture_classification.opencv import cv2


def save_image(path: Path, width: int = 40, height: int = 30, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def save_video(path: Path, count: int) -> Path:
    """A video whose frame k is of one colour, with a red of 8 k."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for index in range(count):
        writer.write(np.full((48, 64, 3), (0, 0, 8 * index), np.uint8))
    writer.release()
    return path


def test_folder_is_read_recursively_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b.png", "a/z.jpg", "a/b/c.jpeg"):
        save_image(tmp_path / name)
    source = frames(tmp_path)
    assert source.total == 3
    assert [(frame.index, frame.name) for frame in source] == [(0, "a/b/c.jpeg"), (1, "a/z.jpg"), (2, "b.png")]
    assert source.skipped == []


def test_what_cannot_be_read_in_a_folder_is_skipped_with_the_reason(tmp_path: Path) -> None:
    whole = save_image(tmp_path / "whole.jpg", 200, 200)
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "empty.png").touch()
    save_video(tmp_path / "clip.mp4", 3)
    source = frames(tmp_path)
    assert [frame.name for frame in source] == ["whole.jpg"]
    reasons = {each.name: each.reason for each in source.skipped}
    assert set(reasons) == {"cut.jpg", "empty.png", "clip.mp4"}
    assert "truncated" in reasons["cut.jpg"]
    assert "video" in reasons["clip.mp4"]


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P", "I;16", "1"])
def test_image_of_any_kind_becomes_rgb(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (30, 20), (200, 200, 200)).convert("L" if mode == "I;16" else mode).save(tmp_path / "image.png")
    (frame,) = frames(tmp_path / "image.png")
    assert frame.image.shape == (20, 30, 3)
    assert frame.image.dtype == np.uint8


def test_photograph_that_lies_on_its_side_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save_image(tmp_path / "side.jpg", 40, 30, exif=exif)
    (frame,) = frames(tmp_path)
    assert frame.image.shape == (40, 30, 3)


def test_image_without_a_telling_name_is_recognised_by_its_bytes(tmp_path: Path) -> None:
    save_image(tmp_path / "photo.png").rename(tmp_path / "photo")
    assert [frame.name for frame in frames(tmp_path / "photo")] == ["photo"]


def test_video_gives_its_frames_in_rgb_with_number_and_time(tmp_path: Path) -> None:
    source = frames(save_video(tmp_path / "clip.mp4", 12))
    assert source.is_video
    assert source.total == 12
    seen = list(source)
    assert [frame.index for frame in seen] == list(range(12))
    assert [frame.time for frame in seen] == pytest.approx([index / 10 for index in range(12)])
    red, green, blue = seen[10].image.mean(axis=(0, 1))
    assert red == pytest.approx(80, abs=6)
    assert max(green, blue) < 6
    assert source.skipped == []


def test_video_can_be_gone_through_twice(tmp_path: Path) -> None:
    source = frames(save_video(tmp_path / "clip.mp4", 3))
    assert len(list(source)) == len(list(source)) == 3


def test_video_of_two_frames_gives_two(tmp_path: Path) -> None:
    assert len(list(frames(save_video(tmp_path / "clip.mp4", 2)))) == 2


def test_video_that_changes_size_loses_no_frame(tmp_path: Path) -> None:
    pictures = [save_image(tmp_path / f"{index}.jpg", 64 + 32 * (index > 2), 48) for index in range(6)]
    (tmp_path / "changing.mjpeg").write_bytes(b"".join(path.read_bytes() for path in pictures))
    shapes = [frame.image.shape for frame in frames(tmp_path / "changing.mjpeg")]
    assert shapes == [(48, 64, 3)] * 6


def test_video_that_was_cut_off_gives_what_is_left_and_says_so(photographs: Path, tmp_path: Path) -> None:
    cut = half_of(photographs / "videos" / "webcam.mp4", tmp_path)
    source = frames(cut)
    read = sum(isinstance(frame, Frame) for frame in source)
    assert 10 < read < 300
    (lost,) = source.skipped
    assert f"announces 300 frames, {read} could be read" in lost.reason


def test_video_without_its_index_is_an_error_that_says_why(photographs: Path, tmp_path: Path) -> None:
    data = (photographs / "videos" / "webcam.mp4").read_bytes()
    end = data.index(b"moov") if data.index(b"moov") > data.index(b"mdat") else len(data) // 50
    (tmp_path / "cut.mp4").write_bytes(data[:end])
    with pytest.raises(DataError, match=r"cut.mp4 (cannot be opened|opens as a video but)"):
        list(frames(tmp_path / "cut.mp4"))


@pytest.mark.parametrize("name", ["text.mp4", "text.txt", "text.jpg"])
def test_file_that_is_no_picture_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("no picture at all")
    with pytest.raises(DataError, match=name):
        list(frames(tmp_path / name))


def test_empty_file_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "nothing.mp4").touch()
    with pytest.raises(DataError, match=r"nothing.mp4 is empty"):
        frames(tmp_path / "nothing.mp4")


def test_input_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent does not exist.*input=PATH"):
        frames(tmp_path / "absent")


def test_folder_without_images_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(UserError, match="no image"):
        frames(tmp_path)


def half_of(video: Path, folder: Path) -> Path:
    """A copy whose second half is missing, in a container that can be read from the front (AVI)."""
    capture, path = cv2.VideoCapture(str(video)), folder / "whole.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15, (640, 480))
    while (read := capture.read())[0]:
        writer.write(read[1])
    writer.release()
    capture.release()
    data = path.read_bytes()
    cut = folder / "cut.avi"
    cut.write_bytes(data[: len(data) // 2])
    return cut
