import io
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageFilter

from static_gesture_classification import images
from static_gesture_classification.images import UnreadableImageError, decode, read_header, read_image


@pytest.fixture
def picture() -> Image.Image:
    """48 x 32 pixels, smooth, no symmetry, all channels unlike."""
    noise = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
    smooth = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(4))
    return Image.fromarray(((np.asarray(smooth).astype(int) - 96) * 4).clip(0, 255).astype(np.uint8))


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def mean_difference(pixels: np.ndarray, picture: Image.Image) -> float:
    return float(np.abs(pixels.astype(int) - np.asarray(picture.convert("RGB")).astype(int)).mean())


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_of_any_colour_space_gives_rgb(picture: Image.Image, mode: str, tmp_path: Path) -> None:
    path = tmp_path / "hand.jpg"
    path.write_bytes(encoded(picture.convert(mode), "jpeg", quality=98))
    pixels = read_image(path)
    assert pixels.shape == (32, 48, 3)
    assert pixels.dtype == np.uint8
    assert mean_difference(pixels, picture.convert(mode)) < 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_png_of_any_mode_gives_rgb(picture: Image.Image, mode: str, tmp_path: Path) -> None:
    converted = picture.convert(mode)
    path = tmp_path / "hand.png"
    converted.save(path)
    assert mean_difference(read_image(path), converted) == 0


def test_sixteen_bit_grey_is_scaled_not_clipped(picture: Image.Image, tmp_path: Path) -> None:
    grey = np.asarray(picture.convert("L"))
    path = tmp_path / "depth.png"
    Image.fromarray(grey.astype(np.uint16) * 257).save(path)
    assert np.array_equal(read_image(path), np.repeat(grey[:, :, None], 3, axis=2))


@pytest.mark.parametrize("kind", ["jpeg", "png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_picture_upright(picture: Image.Image, kind: str, orientation: int) -> None:
    turn = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270}.get(orientation)  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = picture if turn is None else picture.transpose(turn)
    data = encoded(stored, kind, exif=exif, **({"quality": 98} if kind == "jpeg" else {}))
    header = read_header(data)
    assert (header.width, header.height) == picture.size
    assert mean_difference(decode(data, header), picture) < 3
    if kind == "jpeg":
        assert mean_difference(decode(data, header, factor=2), picture.reduce(2)) < 3


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "411"])
@pytest.mark.parametrize("factor", [1, 2, 4])
def test_upper_rows_of_a_jpeg_are_those_of_the_whole(subsampling: str, factor: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (30, 25, 3)).astype(np.uint8)
    large = np.asarray(Image.fromarray(noise).resize((200, 240), Image.Resampling.BICUBIC))
    data = simplejpeg.encode_jpeg(large, quality=90, colorsubsampling=subsampling)
    header = read_header(data)
    upper, whole = decode(data, header, factor, rows=120), decode(data, header, factor)
    assert 120 // factor <= len(upper) < len(whole)
    assert np.array_equal(upper[: 120 // factor], whole[: 120 // factor])


@pytest.mark.parametrize("options", [{"progressive": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}, {}])
def test_truncation_below_the_rows_that_are_needed_is_noticed(picture: Image.Image, options: dict) -> None:
    data = encoded(picture.resize((480, 320)), "jpeg", quality=90, **options)[:-40]
    with pytest.raises(UnreadableImageError, match="Premature end"):
        decode(data, read_header(data), rows=64)


def test_jpegs_that_viewers_show_whole_are_not_refused(picture: Image.Image) -> None:
    data = encoded(picture, "jpeg")
    for variant in (data + b"\0" * 100, data[:-2] + b"\1\2\3" + data[-2:]):
        assert decode(variant, read_header(variant)).shape == (32, 48, 3)


def test_names_with_spaces_and_other_letters_are_read(picture: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "рука 手 ü" / "жест один 👍.png"
    path.parent.mkdir()
    picture.save(path)
    assert mean_difference(read_image(path), picture) == 0


UNREADABLE = {
    "truncated.jpg": r"truncated or damaged \(Premature end",
    "short.jpg": "truncated|no image|damaged",
    "truncated.png": "truncated or damaged",
    "zero.jpg": "empty",
    "text.jpg": "no image in a known format",
    "folder.jpg": "a folder",
    "missing.jpg": "missing",
    "float.tiff": "floating-point",
}


@pytest.fixture
def unreadable(picture: Image.Image, tmp_path: Path) -> Path:
    """A folder with a file of every name in UNREADABLE that can be made."""
    jpeg, png = encoded(picture, "jpeg"), encoded(picture, "png")
    contents = {"truncated.jpg": jpeg[:-200], "short.jpg": jpeg[:30], "truncated.png": png[: len(png) // 2]}
    contents |= {"zero.jpg": b"", "text.jpg": b"<html>not found</html>"}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.jpg").mkdir()
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tiff")
    return tmp_path


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_files_are_refused_with_the_reason(unreadable: Path, name: str) -> None:
    with pytest.raises(UnreadableImageError, match=UNREADABLE[name]):
        read_image(unreadable / name)


@pytest.mark.parametrize(("kind", "mode"), [("jpeg", "L"), ("png", "1")])
def test_giant_image_is_refused_before_it_is_decoded(kind: str, mode: str) -> None:
    side = 13_000
    assert side**2 > images.MAX_PIXELS
    data = encoded(Image.new(mode, (side, side)), kind)
    with pytest.raises(UnreadableImageError, match=r"13000 x 13000 pixels; the limit is 150 million"):
        read_header(data)
