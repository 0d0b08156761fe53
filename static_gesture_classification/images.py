"""Image files to RGB pixels: JPEG by libjpeg-turbo (simplejpeg), every other format by Pillow.

Both sides agree on what a picture looks like: EXIF orientation is applied, alpha is dropped, 16-bit grey is scaled
to 8 bit. A file that is damaged is refused, not half decoded.
"""

from __future__ import annotations

import io
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

# Pixels that may be decoded: 450 MB of RGB. Larger files are damaged, malicious, or no photograph of a hand.
MAX_PIXELS = 150_000_000
# Pillow warns of images above 89 million pixels on its own account; the limit here is the one above.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module="PIL.TiffImagePlugin")  # odd EXIF data, which only costs the orientation

JPEG_FACTORS = (8, 4, 2)
_JPEG_START = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
_ROW_STEP = 32  # no JPEG block is higher
_ORIENTATION = 0x0112
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
    """A file that gives no picture. The message is the reason alone (`the file is missing`), to follow a file name."""


@dataclass(frozen=True)
class ImageHeader:
    """What an encoded image says of itself: upright width and height in pixels, EXIF orientation, format."""

    width: int
    height: int
    orientation: int
    is_jpeg: bool


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
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UnreadableImageError("the file is missing") from None
    except IsADirectoryError:
        raise UnreadableImageError("this is a folder, not an image") from None
    except PermissionError:
        raise UnreadableImageError("no permission to read it") from None
    except OSError as error:
        raise UnreadableImageError(f"it cannot be read: {error.strerror or error}") from None
    if not data:
        raise UnreadableImageError("the file is empty (zero bytes)")
    return data


def read_header(data: bytes) -> ImageHeader:
    """Size and orientation of an encoded image. Raises `UnreadableImageError` when it is no image, or a giant one."""
    if data.startswith(_JPEG_START):
        header = _read_jpeg_header(data)
    else:
        with _open_with_pillow(data) as image:
            header = _upright_header(*image.size, _orientation(image), is_jpeg=False)
    if header.width * header.height > MAX_PIXELS:
        raise UnreadableImageError(
            f"{header.width} x {header.height} pixels; the limit is {MAX_PIXELS // 1_000_000} million"
        )
    return header


def decode(
    data: bytes, header: ImageHeader, factor: int = 1, rows: int | None = None, scratch: Scratch | None = None
) -> np.ndarray:
    """Decode to RGB.

    Args:
        data: the encoded image.
        header: what `read_header` said of it.
        factor: 1, or one of `JPEG_FACTORS` for a JPEG: pixel (x, y) of the result then stands for the square of
            `factor` source pixels that begins at (x * factor, y * factor), and the sides are rounded up.
        rows: how many of the upper source rows are needed; the result may then end below them.
        scratch: memory to decode into, where the result is done with before it is used again.

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
    return _upright(stored, header.orientation)


def read_image(path: Path) -> np.ndarray:
    """Read an image file: uint8 (height, width, 3), RGB, upright. Raises `UnreadableImageError` with the reason."""
    data = read_bytes(path)
    return decode(data, read_header(data))


def _read_jpeg_header(data: bytes) -> ImageHeader:
    width, height = _jpeg_size(data) or _pillow_size(data)
    # Most datasets have no EXIF at all; parsing it is left to Pillow where it is present.
    orientation = 1
    if b"Exif\0\0" in data[:65536]:
        with _open_with_pillow(data) as image:
            orientation = _orientation(image)
    return _upright_header(width, height, orientation, is_jpeg=True)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Stored width and height, or None where libjpeg-turbo cannot tell."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: a colour space or subsampling that simplejpeg does not know
        return None
    return width, height


def _pillow_size(data: bytes) -> tuple[int, int]:
    with _open_with_pillow(data) as image:
        return image.size


def _upright_header(width: int, height: int, orientation: int, is_jpeg: bool) -> ImageHeader:
    transposed = _UPRIGHT[orientation][0]
    return ImageHeader(height if transposed else width, width if transposed else height, orientation, is_jpeg)


def _upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    transpose, flip_rows, flip_columns = _UPRIGHT[orientation]
    turned = stored.transpose(1, 0, 2) if transpose else stored
    return turned[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]


def _decode_upper_jpeg(data: bytes, rows: int, factor: int, scratch: Scratch | None) -> np.ndarray | None:
    """The upper rows of a sequential JPEG, as they are in the whole; None where it has to be decoded whole.

    Such a JPEG is stored row by row, so a header that gives a smaller height makes the decoder stop early. It then
    warns of the data that is left; that the file is whole is seen by its end marker.
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
    at, height_at, components = 2, None, 0
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in (0xC0, 0xC1):
            height_at, components = at + 5, data[at + 9]
        if marker == 0xDA:
            return _Frame(height_at, at + 2 + length) if height_at and data[at + 4] == components else None
        at += 2 + length
    return None


def _decode_jpeg(data: bytes, factor: int, scratch: Scratch | None) -> np.ndarray | None:
    """Stored pixels by libjpeg-turbo; None where it has no decoder for the kind of JPEG (CMYK, say)."""
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


def _open_with_pillow(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise UnreadableImageError("this is no image in a known format") from None
    except Image.DecompressionBombError:
        raise UnreadableImageError(f"more than {MAX_PIXELS // 1_000_000} million pixels") from None
    except Exception as error:  # decoders raise whatever damaged bytes lead them to
        raise UnreadableImageError(f"the image is damaged ({error})") from None


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata leaves the picture usable
        return 1
    return orientation if orientation in _UPRIGHT else 1


def _decode_with_pillow(data: bytes, factor: int) -> np.ndarray:
    with _open_with_pillow(data) as image:
        try:
            pixels = _rgb(image)
        except UnreadableImageError:
            raise
        except Exception as error:  # decoders raise whatever damaged bytes lead them to
            raise UnreadableImageError(f"the image is truncated or damaged ({error})") from None
    return np.asarray(pixels.reduce(factor) if factor > 1 else pixels)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":  # Pillow would clip 16-bit grey to 255 instead of scaling it
        grey = np.asarray(image).astype(np.uint32) >> 8
        return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise UnreadableImageError("floating-point pixels have no known range; save it with 8 bits per channel")
    return image.convert("RGB")
