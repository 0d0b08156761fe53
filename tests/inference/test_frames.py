import shlex
import struct
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


def test_video_of_a_codec_without_a_decoder_names_it_and_the_way_to_reencode(
    cases: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / "my clip's.mp4"
    video.write_bytes((cases / "videos/av1.mp4").read_bytes())
    with pytest.raises(DataError) as refused:
        frames(video)
    message = str(refused.value)
    assert f"{video} opens as a video but has no readable frame: it is in AV1 (AV01)" in message
    command = shlex.split(message[message.index("ffmpeg") :])
    assert command[:3] == ["ffmpeg", "-i", str(video)]
    assert command[-1] == str(tmp_path / "my clip's.h264.mp4")
    assert capfd.readouterr().err == ""  # OpenCV's own complaints are of no use to anyone


def test_video_whose_frames_are_gone_is_an_error_that_says_so(tmp_path: Path) -> None:
    data = bytearray(save_video(tmp_path / "clip.mp4", 5).read_bytes())
    at = data.index(b"mdat")
    length = int.from_bytes(data[at - 4 : at], "big")
    data[at + 4 : at - 4 + length] = bytes(length - 8)
    (tmp_path / "blank.mp4").write_bytes(data)
    with pytest.raises(DataError, match=r"blank\.mp4 opens as a video but has no readable frame.*MPEG-4.*damaged"):
        frames(tmp_path / "blank.mp4")


@pytest.mark.parametrize(("turn", "corner"), [(0, (0, 0)), (90, (0, 1)), (180, (1, 1)), (270, (1, 0))])
def test_video_of_a_phone_stands_upright(tmp_path: Path, turn: int, corner: tuple[int, int]) -> None:
    path = tmp_path / "phone.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = 255
    writer.write(picture)
    writer.release()
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # ISO/IEC 14496-12, 8.3.2: the matrix of version 0
    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[turn]
    matrix = (cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, 0, 0, 1 << 30)
    data[at : at + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(data)
    (frame,) = frames(path)
    height, width = frame.image.shape[:2]
    assert (width, height) == ((64, 48) if turn in (0, 180) else (48, 64))
    quarters = {
        (row, column): frame.image[row * height // 2 :, column * width // 2 :][: height // 2, : width // 2].mean()
        for row in (0, 1)
        for column in (0, 1)
    }
    assert max(quarters, key=quarters.__getitem__) == corner


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
