import contextlib
import io
import shutil
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
import simplejpeg
from PIL import Image, ImageCms, ImageFilter

from static_gesture_classification import images
from static_gesture_classification.images import (
    UnreadableImageError,
    decode,
    exif_orientation,
    image_header,
    read_header,
    read_image,
)


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


@pytest.mark.parametrize(("name", "order"), [("depth.png", "<u2"), ("depth.tiff", "<u2"), ("depth.tiff", ">u2")])
def test_sixteen_bit_grey_is_scaled_not_clipped(picture: Image.Image, name: str, order: str, tmp_path: Path) -> None:
    grey = np.asarray(picture.convert("L"))
    Image.fromarray((grey.astype(np.uint16) * 257).astype(order)).save(tmp_path / name)
    assert np.array_equal(read_image(tmp_path / name), np.repeat(grey[:, :, None], 3, axis=2))


def test_damaged_colour_profile_costs_the_profile_alone(picture: Image.Image, tmp_path: Path) -> None:
    inks = picture.convert("CMYK")
    inks.save(tmp_path / "print.tiff", icc_profile=b"no profile")
    assert mean_difference(read_image(tmp_path / "print.tiff"), inks) == 0


TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
         5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
         8: Image.Transpose.ROTATE_270}  # fmt: skip
ORIENTED = ("jpeg", "png", "late png", "webp", "tiff", "avif", "heif")


def heic(picture: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(picture).save(file, quality=95, **options)
    return file.getvalue()


def oriented(picture: Image.Image, kind: str, orientation: int) -> bytes:
    """A picture as a camera stores it that was held another way; in a "late png" the EXIF data follow the pixels."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = picture.transpose(TURNS[orientation]) if orientation in TURNS else picture
    if kind == "late png":
        before = encoded(stored, "png")
        body = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        return before[:-12] + chunk + before[-12:]
    if kind == "heif":
        return heic(stored, exif=exif.tobytes())
    return encoded(stored, kind, exif=exif, **({"quality": 98} if kind == "jpeg" else {}))


@pytest.mark.parametrize("kind", ORIENTED)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_picture_upright(
    picture: Image.Image, kind: str, orientation: int, tmp_path: Path
) -> None:
    large = picture.resize((96, 64), Image.Resampling.BICUBIC)
    path = tmp_path / "turned"
    path.write_bytes(oriented(large, kind, orientation))
    header = image_header(path)
    assert (header.width, header.height) == large.size
    assert header == read_header(path.read_bytes())
    pixels = decode(path.read_bytes(), header)
    assert pixels.shape == (64, 96, 3)
    assert mean_difference(pixels, large) < (3 if kind in ("jpeg", "png", "late png", "tiff") else 8)
    if kind == "jpeg":
        assert mean_difference(decode(path.read_bytes(), header, factor=2), large.reduce(2)) < 3


@pytest.mark.parametrize(
    "exif", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff\x01\x12", b"II*\0\x08\0\0\0"]
)
def test_damaged_exif_leaves_the_picture_as_it_is_stored(exif: bytes) -> None:
    assert exif_orientation(exif) == 1


def test_header_is_read_without_the_pixels(picture: Image.Image, tmp_path: Path) -> None:
    data = encoded(picture, "png")
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    assert image_header(tmp_path / "cut.png").width == 48


def test_jpeg_whose_size_stands_behind_much_else_is_read(picture: Image.Image, tmp_path: Path) -> None:
    profile = bytes(150_000)  # spread over several segments before the frame
    (tmp_path / "late.jpg").write_bytes(encoded(picture, "jpeg", icc_profile=profile))
    header = image_header(tmp_path / "late.jpg")
    assert (header.width, header.height) == picture.size


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


HIDDEN = (200, 30, 90)  # colour under what is transparent


def with_holes(picture: Image.Image, alpha: Sequence[int] = (0, 128, 255)) -> tuple[Image.Image, np.ndarray]:
    """A picture in three vertical stripes of transparency, and how it looks on white: float (32, 48, 3)."""
    mask = np.repeat(np.array(alpha, np.uint8), 16)[None, :].repeat(32, 0)
    colours = np.asarray(picture).copy()
    colours[mask == 0] = HIDDEN
    share = mask[:, :, None] / 255
    seen = colours * share + 255 * (1 - share)
    return Image.fromarray(np.dstack([colours, mask])), seen


@pytest.mark.parametrize("kind", ["png", "webp", "tiff"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_lies_on_white(picture: Image.Image, kind: str, mode: str, tmp_path: Path) -> None:
    image, seen = with_holes(picture)
    if mode == "LA":
        grey, alpha = image.convert("RGB").convert("L"), image.getchannel("A")
        image = Image.merge("LA", (grey, alpha))
        share = np.asarray(alpha)[:, :, None] / 255
        seen = np.asarray(grey)[:, :, None] * share + 255 * (1 - share)
    options = {"lossless": True, "exact": True} if kind == "webp" else {}
    image.save(tmp_path / "holes", kind, **options)
    assert np.abs(read_image(tmp_path / "holes") - seen).max() <= 1


@pytest.mark.parametrize(("kind", "transparency"), [("png", 3), ("png", bytes([255, 255, 255, 0])), ("gif", 3)])
def test_transparent_entry_of_a_palette_is_white(
    picture: Image.Image, kind: str, transparency: int | bytes, tmp_path: Path
) -> None:
    indexed = picture.quantize(16)
    indexed.save(tmp_path / "palette", kind, transparency=transparency)
    pixels = read_image(tmp_path / "palette")
    hidden = np.asarray(indexed) == 3
    assert (pixels[hidden] == 255).all()
    assert np.array_equal(pixels[~hidden], np.asarray(indexed.convert("RGB"))[~hidden])


@pytest.mark.parametrize(("mode", "colour"), [("RGB", (10, 20, 30)), ("L", 77), ("1", 0), ("I;16", 5000)])
def test_colour_that_a_png_names_transparent_is_white(mode: str, colour: object, tmp_path: Path) -> None:
    image = Image.new(mode, (8, 8), colour)
    image.putpixel((1, 1), {"RGB": (60, 60, 60), "L": 60, "1": 1, "I;16": 60 * 257}[mode])
    image.save(tmp_path / "keyed.png", transparency=colour)
    pixels = read_image(tmp_path / "keyed.png")
    assert pixels[1, 1].tolist() == [255 if mode == "1" else 60] * 3
    assert (np.delete(pixels.reshape(-1, 3), 9, axis=0) == 255).all()


@pytest.mark.parametrize("colours", [2, 4, 6])
def test_sixteen_bit_png_of_any_kind_looks_as_with_eight(picture: Image.Image, colours: int, tmp_path: Path) -> None:
    """PNG colour types: 2 is RGB, 4 grey with alpha, 6 RGB with alpha."""
    image, seen = with_holes(picture)
    pixels = np.asarray(image)
    chosen = {2: pixels[:, :, :3], 4: pixels[:, :, [0, 3]], 6: pixels}[colours]
    share = pixels[:, :, 3:] / 255
    wanted = {2: pixels[:, :, :3], 4: pixels[:, :, :1] * share + 255 * (1 - share), 6: seen}[colours]
    (tmp_path / "deep.png").write_bytes(deep_png(chosen.astype(np.uint16) * 257, colours))
    assert np.abs(read_image(tmp_path / "deep.png") - wanted).max() <= 1


def deep_png(pixels: np.ndarray, colours: int) -> bytes:
    """A PNG with 16 bits per channel: uint16 (height, width, channels), colour type."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, colours, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def test_lab_colours_look_like_their_rgb(tmp_path: Path) -> None:
    red = Image.new("RGB", (8, 8), (200, 40, 40))
    lab = ImageCms.profileToProfile(
        red, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    lab.save(tmp_path / "lab.tiff")
    assert np.abs(read_image(tmp_path / "lab.tiff").astype(int) - (200, 40, 40)).max() <= 3


def test_transparent_photographs_show_what_a_viewer_shows(cases: Path) -> None:
    folder = cases / "transparent"
    black, palm = read_image(folder / "cutout_black.png"), read_image(folder / "cutout_hidden_palm.png")
    assert np.array_equal(black, palm)  # other colours are hidden, the same is seen
    assert (black[0, 0] == 255).all()
    assert black.min() < 60
    assert (read_image(folder / "all_hidden.png") == 255).all()
    assert np.abs(read_image(folder / "cutout.webp").astype(int) - black).mean() < 3


def test_more_frames_are_noticed_and_the_first_is_taken(cases: Path) -> None:
    headers = {path.name: image_header(path) for path in (cases / "animated").iterdir()}
    assert {name for name, header in headers.items() if header.more_frames} == {
        "pages.tiff", "three.gif", "three.png", "three.webp"
    }  # fmt: skip
    first = read_image(cases / "animated/three.png").astype(int)
    for name in headers:
        assert np.abs(read_image(cases / "animated" / name) - first).mean() < 12


def test_phones_second_picture_and_a_scans_thumbnail_are_no_animation(picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[picture.reduce(2)])
    thumbnail = picture.reduce(4)
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    picture.save(tmp_path / "scan.tiff", save_all=True, append_images=[thumbnail])
    picture.save(tmp_path / "still.gif")
    for name in ("phone.jpg", "scan.tiff", "still.gif"):
        assert not image_header(tmp_path / name).more_frames, name
        assert read_image(tmp_path / name).shape == (32, 48, 3)


@pytest.mark.parametrize("name", ["scan.tiff", "pic.avif", "IMG_1001.HEIC", "IMG_1002.heic", "anim.gif"])
def test_formats_of_phones_and_scanners_are_read(cases: Path, name: str) -> None:
    pixels = read_image(cases / "suffixes/like" / name)
    assert pixels.shape == (336, 336, 3)
    assert pixels.std() > 30


def test_format_is_told_by_the_contents_not_by_the_name(cases: Path, tmp_path: Path) -> None:
    shutil.copyfile(cases / "suffixes/like/IMG_1001.HEIC", tmp_path / "IMG_1001.jpg")
    assert np.array_equal(read_image(tmp_path / "IMG_1001.jpg"), read_image(cases / "suffixes/like/IMG_1001.HEIC"))


def test_file_that_would_start_another_program_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "drawing.jpg").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    )
    with pytest.raises(UnreadableImageError, match="no image in a known format"):
        read_image(tmp_path / "drawing.jpg")


DAMAGED = ("jpeg", "png", "webp", "gif", "tiff", "avif", "heif", "jpeg2000", "bmp")


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_file_of_any_format_is_refused_and_nothing_else_happens(
    picture: Image.Image, kind: str, tmp_path: Path
) -> None:
    exif = {} if kind in ("gif", "bmp", "jpeg2000") else {"exif": Image.Exif().tobytes()}
    more = {"save_all": True, "append_images": [picture.resize((96, 64))]} if kind in ("gif", "webp", "tiff") else exif
    large, random = picture.resize((96, 64)), np.random.default_rng(0)
    whole = heic(large) if kind == "heif" else encoded(large, kind, **more)
    for length in random.integers(0, len(whole), 30):
        data = bytearray(whole)
        data[length : length + 4] = bytes(random.integers(0, 256, 4, np.uint8))
        for damaged in (bytes(data), whole[:length]):
            (tmp_path / "damaged").write_bytes(damaged)
            for read in (image_header, read_image):
                with contextlib.suppress(UnreadableImageError):
                    read(tmp_path / "damaged")


UNREADABLE = {
    "truncated.jpg": r"truncated or damaged \(Premature end",
    "short.jpg": "truncated|no image|damaged",
    "truncated.png": "truncated or damaged",
    "zero.jpg": "empty",
    "text.jpg": "no image in a known format",
    "folder.jpg": "a folder",
    "missing.jpg": "missing",
    "float.tiff": "floating-point",
    "deep.tiff": "more than 16 bits",
    "nowhere.jpg": "link to a file that is missing",
    "loop.jpg": "cannot be read",
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
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    Image.fromarray(np.full((4, 4), 1 << 20, np.int32)).save(tmp_path / "deep.tiff")
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
