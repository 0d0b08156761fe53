"""Image files to RGB pixels: JPEG by libjpeg-turbo (simplejpeg), every other format by Pillow.

Every source, stage and command opens images here, so that all see them as a viewer does: upright by EXIF orientation,
on white where transparent, scaled from 16 to 8 bits. Of an animation the first frame counts, of several pages the first
one. A damaged file is refused, not half decoded.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import simplejpeg
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

# Part of the keys of all results that are kept of pixels: raise it when a file gives other pixels.
PIXELS_VERSION = 2
# 450 MB of RGB. Larger files are damaged, malicious, or no photograph of a hand.
MAX_PIXELS = 150_000_000
# Pillow has a limit of its own, 89 million pixels.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module="PIL.TiffImagePlugin")  # odd EXIF data, which only costs the orientation

JPEG_FACTORS = (8, 4, 2)
NO_IMAGE = "this is no image in a known format"
# The formats of Pillow that are tried, whatever the file's suffix. Others run programs (EPS) or accept any file (TGA).
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "PPM", "AVIF", "JPEG2000")
_JPEG_START = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES = 1 << 16  # the size of most JPEGs is found in these
_ROW_STEP = 32  # no JPEG block is higher
_ORIENTATION, _PAGE_KIND = 0x0112, 0x00FE  # TIFF 6.0: Orientation, NewSubfileType
_EXIF_SIZES = {1: 1, 3: 2, 4: 4}  # bytes of a BYTE, a SHORT, a LONG
# EXIF 2.32, 4.6.4 A: how the stored pixels turn into the upright picture, as (transpose, flip rows, flip columns).
_UPRIGHT = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
# Warnings of libjpeg after which the picture is still whole (jerror.h: JWRN_EXTRANEOUS_DATA, JWRN_ADOBE_XFORM).
_HARMLESS = ("extraneous bytes", "Unknown Adobe color transform")
_DAMAGED = ("Premature end", "premature end", "Corrupt JPEG data", "Inconsistent progression")


class UnreadableImageError(Exception):
    """A file that is no readable image. The message is the reason alone (`the file is missing`), without its name."""


@dataclass(frozen=True)
class ImageHeader:
    """Upright width and height of an encoded image in pixels, its EXIF orientation and its format.

    `orientation` tells how to turn the decoder's pixels. `more_frames` tells whether it is an animation or has further
    pages; the second picture in a phone's JPEG or HEIC is neither.
    """

    width: int
    height: int
    orientation: int
    is_jpeg: bool
    more_frames: bool = False


class Scratch(threading.local):
    """Memory of each thread to decode into: asking the system for fresh pages takes as long as half the decoding."""

    buffer: np.ndarray | None = None

    def get(self, size: int) -> np.ndarray:
        """At least `size` bytes; their contents change with the next call in this thread."""
        if self.buffer is None or len(self.buffer) < size:
            self.buffer = np.empty(size, np.uint8)
        return self.buffer


def read_bytes(path: Path) -> bytes:
    """Read a whole image file. Raises `UnreadableImageError` when it is missing, a folder, empty or forbidden."""
    with _explain_errors(path):
        data = path.read_bytes()
    if not data:
        raise UnreadableImageError("the file is empty (zero bytes)")
    return data


def read_header(data: bytes) -> ImageHeader:
    """The header of an encoded image. Raises `UnreadableImageError` when it is no image, or has too many pixels."""
    if data.startswith(_JPEG_START):
        return _refuse_giant(_read_jpeg_header(data))
    if data.startswith(_PNG_START):
        return _refuse_giant(_read_png_header(io.BytesIO(data)))
    return _refuse_giant(_read_other_header(io.BytesIO(data)))


def image_header(path: Path) -> ImageHeader:
    """The header of an image file, which is read only as far as necessary.

    Raises:
        UnreadableImageError: it is missing, a folder, empty, forbidden, no image, or has too many pixels.
    """
    with _explain_errors(path), path.open("rb", buffering=0) as file:
        start = file.read(_HEADER_BYTES)
        if not start:
            raise UnreadableImageError("the file is empty (zero bytes)")
        if start.startswith(_PNG_START):
            return _refuse_giant(_read_png_header(file))
        if not start.startswith(_JPEG_START):
            return _refuse_giant(_read_other_header(io.BufferedReader(file)))
        try:
            return _refuse_giant(_read_jpeg_header(start))
        except UnreadableImageError:
            return _refuse_giant(_read_jpeg_header(start + file.readall()))


def decode(
    data: bytes, header: ImageHeader, factor: int = 1, rows: int | None = None, scratch: Scratch | None = None
) -> np.ndarray:
    """Decode to RGB.

    Args:
        data: the encoded image.
        header: its header.
        factor: 1, or for a JPEG one of `JPEG_FACTORS`: each pixel is the mean of `factor` x `factor` source pixels;
            width and height are rounded up.
        rows: how many upper source rows are needed; the result may end below them.
        scratch: memory to decode into; the result is valid until its next use.

    Returns:
        uint8 (height, width, 3), upright.

    Raises:
        UnreadableImageError: the data is truncated or damaged.
    """
    stored = None
    if header.is_jpeg and header.orientation == 1 and rows is not None:
        stored = _decode_upper_jpeg(data, rows, factor, scratch)
    if header.is_jpeg and stored is None:
        stored = _decode_jpeg(data, factor, scratch)
    if stored is None:
        stored = _decode_with_pillow(data, factor)
    return _turn_upright(stored, header.orientation)


def read_image(path: Path) -> np.ndarray:
    """Read an image file: uint8 (height, width, 3), RGB, upright. Raises `UnreadableImageError` with the reason."""
    return read_with_header(path)[0]


def read_with_header(path: Path) -> tuple[np.ndarray, ImageHeader]:
    """The pixels of an image file (see `read_image`) and its header."""
    data = read_bytes(path)
    header = read_header(data)
    return decode(data, header), header


@contextmanager
def _explain_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors on reading a file into `UnreadableImageError`."""
    try:
        yield
    except FileNotFoundError:
        reason = "it is a link to a file that is missing" if path.is_symlink() else "the file is missing"
        raise UnreadableImageError(reason) from None
    except IsADirectoryError:
        raise UnreadableImageError("this is a folder, not an image") from None
    except PermissionError:
        raise UnreadableImageError("no permission to read it") from None
    except OSError as error:
        raise UnreadableImageError(f"it cannot be read: {error.strerror or error}") from None


def _refuse_giant(header: ImageHeader) -> ImageHeader:
    if header.width * header.height > MAX_PIXELS:
        raise UnreadableImageError(
            f"{header.width} x {header.height} pixels; the limit is {MAX_PIXELS // 1_000_000} million"
        )
    return header


def _read_jpeg_header(data: bytes) -> ImageHeader:
    width, height = _jpeg_size(data) or _pillow_size(data)
    return _upright_header(width, height, _jpeg_orientation(data), is_jpeg=True)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Stored width and height, or None where libjpeg-turbo cannot tell."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: a colour space or subsampling that simplejpeg does not know
        return None
    return width, height


def _pillow_size(data: bytes) -> tuple[int, int]:
    with _open_with_pillow(io.BytesIO(data)) as image:
        return image.size


def _jpeg_orientation(data: bytes) -> int:
    for marker, at, length in _jpeg_segments(data):
        if marker == 0xE1 and data.startswith(b"Exif\0\0", at):
            return exif_orientation(data[at + 6 : at + length])
    return 1


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, place and length of what the segments before the pixels hold (ITU-T T.81, B.1.1.4)."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a filler
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, at + 4, length - 2
        if marker == 0xDA:
            return
        at += 2 + length


def exif_orientation(exif: bytes) -> int:
    """The orientation, 1 to 8, that EXIF data (beginning with its TIFF header) asks for; 1 where they are odd."""
    if exif[:2] not in (b"II", b"MM"):
        return 1

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], "little" if exif[:2] == b"II" else "big")

    first = number(4, 4)
    for entry in range(first + 2, min(first + 2 + 12 * number(first, 2), len(exif) - 11), 12):
        if number(entry, 2) == _ORIENTATION:
            orientation = number(entry + 8, _EXIF_SIZES.get(number(entry + 2, 2), 2))
            return orientation if orientation in _UPRIGHT else 1
    return 1


def _read_other_header(file: BinaryIO) -> ImageHeader:
    file.seek(0)
    with _open_with_pillow(file) as image:
        exif = image.info.get("exif") or b""  # a TIFF or HEIC has none: Pillow gives them upright
        orientation = exif_orientation(exif.removeprefix(b"Exif\0\0"))
        return _upright_header(*image.size, orientation, is_jpeg=False, more_frames=_has_more_frames(image))


def _read_png_header(file: BinaryIO | io.FileIO) -> ImageHeader:
    """The header of a PNG from its chunks, without decoding: its EXIF data may lie behind the pixels."""
    file.seek(len(_PNG_START))
    width, height, orientation, frames = 0, 0, 1, 1
    while len(start := file.read(8)) == 8:
        length, kind = int.from_bytes(start[:4], "big"), start[4:]
        if kind == b"IEND":
            break
        body = file.read(length) if kind in (b"IHDR", b"eXIf", b"acTL") else b""
        if kind == b"IHDR":
            width, height = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
        elif kind == b"eXIf":
            orientation = exif_orientation(body)
        elif kind == b"acTL":
            frames = int.from_bytes(body[:4], "big")
        file.seek(length - len(body) + 4, io.SEEK_CUR)
    if not width * height:
        raise UnreadableImageError("the image is damaged (a PNG without its size)")
    return _upright_header(width, height, orientation, is_jpeg=False, more_frames=frames > 1)


def _has_more_frames(image: Image.Image) -> bool:
    if image.format == "HEIF":  # other pictures in it are no frames
        return False
    try:
        more = bool(getattr(image, "is_animated", False))
        if more and isinstance(image, TiffImageFile):
            image.seek(1)
            return not image.tag_v2.get(_PAGE_KIND, 0) & 1  # a smaller copy of the first page is none
    except Exception:  # the second is damaged; decoders raise any exception for damaged bytes
        return True
    return more


def _upright_header(width: int, height: int, orientation: int, is_jpeg: bool, more_frames: bool = False) -> ImageHeader:
    if _UPRIGHT[orientation][0]:
        width, height = height, width
    return ImageHeader(width, height, orientation, is_jpeg, more_frames)


def _turn_upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    transpose, flip_rows, flip_columns = _UPRIGHT[orientation]
    turned = stored.transpose(1, 0, 2) if transpose else stored
    return turned[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]


def _decode_upper_jpeg(data: bytes, rows: int, factor: int, scratch: Scratch | None) -> np.ndarray | None:
    """The upper rows of a sequential JPEG; None where it must be decoded as a whole.

    Such a JPEG is stored row by row, so a smaller height in its header makes the decoder stop early. The decoder then
    warns of the rest; the end marker shows that the file is whole.
    """
    frame = _sequential_frame(data)
    size = _jpeg_size(data)
    if frame is None or size is None:
        return None
    needed = (rows // _ROW_STEP + 2) * _ROW_STEP  # a step more: upsampling of colours looks at the rows below
    if needed >= size[1] or data.rfind(_JPEG_END, frame.data_at) < 0:
        return None
    shortened = data[: frame.height_at] + needed.to_bytes(2, "big") + data[frame.height_at + 2 :]
    try:
        return _decode_with_turbo(shortened, (size[0], needed), factor, scratch, strict=False)
    except ValueError:
        return None


@dataclass(frozen=True)
class _Frame:
    """Where in a JPEG the height is written, and where its compressed data begins."""

    height_at: int
    data_at: int


def _sequential_frame(data: bytes) -> _Frame | None:
    """Find the frame of a JPEG with Huffman coding in one interleaved scan (ITU-T T.81, B.2); None for others."""
    height_at, components = None, 0
    for marker, at, length in _jpeg_segments(data):
        if marker in (0xC0, 0xC1) and at + 6 <= len(data):
            height_at, components = at + 1, data[at + 5]
        if marker == 0xDA and height_at and at < len(data):
            return _Frame(height_at, at + length) if data[at] == components else None
    return None


def _decode_jpeg(data: bytes, factor: int, scratch: Scratch | None) -> np.ndarray | None:
    """Stored pixels by libjpeg-turbo; None for kinds of JPEG that it cannot decode (CMYK, say)."""
    size = _jpeg_size(data)
    if size is None:
        return None
    for strict in (True, False):
        try:
            return _decode_with_turbo(data, size, factor, scratch, strict)
        except ValueError as error:
            reason = str(error)
        if not any(text in reason for text in _HARMLESS):
            break
    if any(text in reason for text in _DAMAGED):
        raise UnreadableImageError(f"the JPEG is truncated or damaged ({reason})")
    return None


def _decode_with_turbo(
    data: bytes, size: tuple[int, int], factor: int, scratch: Scratch | None, strict: bool
) -> np.ndarray:
    width, height = (-(-side // factor) for side in size)
    least = {"min_width": width, "min_height": height} if factor > 1 else {}
    buffer = None if scratch is None else scratch.get(width * height * 3)
    return simplejpeg.decode_jpeg(data, "RGB", strict=strict, buffer=buffer, **least)


def _open_with_pillow(file: BinaryIO) -> Image.Image:
    start = file.read(8)
    file.seek(0)
    try:
        return Image.open(file, formats=_formats_with_heif() if start[4:] == b"ftyp" else _FORMATS)
    except UnidentifiedImageError:
        raise UnreadableImageError(NO_IMAGE) from None
    except Image.DecompressionBombError:
        raise UnreadableImageError(f"more than {MAX_PIXELS // 1_000_000} million pixels") from None
    except Exception as error:  # decoders raise any exception for damaged bytes
        raise UnreadableImageError(f"the image is damaged ({error})") from None


@cache
def _formats_with_heif() -> tuple[str, ...]:
    """The formats to try on a file that may be HEIC, as phones save it, or AVIF."""
    import pi_heif  # here, because it takes 40 ms and is seldom needed

    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return (*_FORMATS, "HEIF")


def _decode_with_pillow(data: bytes, factor: int) -> np.ndarray:
    with _open_with_pillow(io.BytesIO(data)) as image:
        try:
            pixels = _rgb(image)
        except UnreadableImageError:
            raise
        except Exception as error:  # decoders raise any exception for damaged bytes
            raise UnreadableImageError(f"the image is truncated or damaged ({error})") from None
    return np.asarray(pixels.reduce(factor) if factor > 1 else pixels)


def _rgb(image: Image.Image) -> Image.Image:
    """The picture as a viewer shows it."""
    image.load()
    if image.mode == "F":
        raise UnreadableImageError("floating-point pixels have no known range; save it with 8 bits per channel")
    if image.mode.startswith("I"):
        return _from_deep_grey(image)
    if image.mode in ("CMYK", "LAB"):
        return _from_other_colours(image)
    return _on_white(image) if image.has_transparency_data else image.convert("RGB")


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey; Pillow would clip it to 255."""
    stored = np.asarray(image).astype(np.int64)
    if stored.max(initial=0) > 0xFFFF:
        raise UnreadableImageError("pixels of more than 16 bits have no known range; save it with 8 bits per channel")
    grey = np.clip(stored >> 8, 0, 255).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[stored == transparent] = 255
    return Image.fromarray(grey).convert("RGB")


def _from_other_colours(image: Image.Image) -> Image.Image:
    """Convert CMYK by its colour profile, if it has one, and L*a*b* by its definition."""
    embedded = image.info.get("icc_profile") if image.mode == "CMYK" else None
    if image.mode == "CMYK" and not embedded:
        return image.convert("RGB")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded) if embedded else ImageCms.createProfile("LAB"))
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")  # the profile is damaged
    assert converted is not None
    return converted


def _on_white(image: Image.Image) -> Image.Image:
    """Put a partly transparent picture on white."""
    transparent = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(transparent, tuple) and max(transparent) > 255:
        image.info["transparency"] = tuple(value >> 8 for value in transparent)  # of 16 bits, as the pixels were
    with_alpha = image.convert("RGBA")
    alpha = with_alpha.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return with_alpha.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(with_alpha, mask=alpha)
    return white
