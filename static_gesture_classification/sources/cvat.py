"""CVAT's own XML, version 1.1 (https://docs.cvat.ai/docs/manual/advanced/xml_format/), for images and for video.

    annotations.xml    images/<name>         exported as "CVAT for images 1.1", with "Save images"

    <annotations><version>1.1</version>
      <image id="0" name="like/a.jpg" width="640" height="480" subset="Train">
        <box label="like" xtl="10.00" ytl="20.00" xbr="100.00" ybr="120.00" rotation="30.00" occluded="0" z_order="0">
          <attribute name="subject">anna</attribute></box>
        <polygon label="like" points="1.0,2.0;3.0,4.0;5.0,6.0"/>  <tag label="like"/>
      </image>
      <track id="0" label="like"><box frame="0" outside="0" keyframe="1" xtl="..." .../></track>          for video
    </annotations>

Boxes are in pixels; `rotation` turns a box clockwise about its centre. A turned box or a polygon becomes the box around
it. Without a shape, a tag labels the whole picture; otherwise its attributes apply to all shapes. A video's frames must
lie there as pictures, `images/frame_000000.png`, as "CVAT for video 1.1" saves them; a video is one session. Other
shapes are counted and left out. XML with entities is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

from static_gesture_classification.errors import DataError
from static_gesture_classification.samples import WHOLE_IMAGE
from static_gesture_classification.sources.annotated import (
    IN_SHARES,
    Annotated,
    AnnotationFile,
    LeftOut,
    MarkedHand,
    PictureIndex,
    around,
    positive_size,
    split_in,
)
from static_gesture_classification.sources.folder_layout import SPLIT_WORDS
from static_gesture_classification.sources.parsing import NotWholeError, read_xml
from static_gesture_classification.sources.source import is_image

CVAT_CORNERS = ("xtl", "ytl", "xbr", "ybr")
CVAT_SHAPES = ("box", "polygon")
OTHER_CVAT_SHAPES = ("polyline", "points", "cuboid", "mask", "skeleton", "ellipse")

PictureSize = tuple[float, float]


@dataclass(kw_only=True)
class Cvat(Annotated):
    """Reads CVAT for images 1.1, and CVAT for video 1.1 with its frames as pictures."""

    layout = "CVAT annotations (annotations.xml)"

    def files(self, pictures: PictureIndex) -> Iterable[Iterable[AnnotationFile]]:
        """See `Annotated.files`; one piece per XML."""
        return [self._by_split(name, pictures) for name in pictures.by_suffix(".xml")]

    def _by_split(self, name: str, pictures: PictureIndex) -> Iterator[AnnotationFile]:
        """The images of an XML by split, then its video; each image names its split."""
        try:
            root = read_xml(self.folder / name)
        except NotWholeError as error:
            raise DataError(f"{self.root}/{name}: {error}; export it again or delete it") from error
        beside = name.rpartition("/")[0]
        near = [folder.strip("/") for folder in (f"{beside}/images", beside)]
        counted = LeftOut()
        if root.tag != "annotations":
            counted.notes.append(f"{name} is not CVAT's (its root is <{root.tag}>) and is left out")
        by_split: dict[str, list[Element]] = {}
        for image in root.iterfind("image"):
            by_split.setdefault(split_of(image, name), []).append(image)
        for split, images in by_split.items():
            subsets = {subset for image in images if (subset := image.get("subset"))}
            folders = [*near, *(f"{near[0]}/{subset}" for subset in sorted(subsets))]
            yield AnnotationFile(name, self._in_images(images, counted), folders, split)
        tracks = root.findall("track")
        hands = self._in_video(tracks, root, name, near, pictures, counted)
        yield AnnotationFile(name, hands, near, split_in(name), counted.rejected, counted.notes)

    def _in_images(self, images: Sequence[Element], counted: LeftOut) -> Iterator[MarkedHand]:
        for image in images:
            picture = image.get("name") or ""
            size = positive_size(image.get("width"), image.get("height"))
            tags = image.findall("tag")
            shared = {name: text for tag in tags for name, text in shape_attributes(tag).items()}
            drawn = [shape for shape in image if shape.tag in CVAT_SHAPES]
            counted.counts.update(shape.tag for shape in image if shape.tag in OTHER_CVAT_SHAPES)
            for number, shape in enumerate(drawn):
                yield hand_in(shape, shape.get("label"), picture, size, shared, f"{picture} {shape.tag} {number}")
            if not drawn and tags:
                labels = [tag.get("label") or "" for tag in tags]
                problem = f"it has several tags: {', '.join(labels)}" if len(labels) > 1 else None
                yield MarkedHand(
                    picture, labels[0], WHOLE_IMAGE, IN_SHARES, size, attributes=shared, entry=picture, problem=problem
                )

    def _in_video(
        self,
        tracks: Sequence[Element],
        root: Element,
        name: str,
        near: Sequence[str],
        pictures: PictureIndex,
        counted: LeftOut,
    ) -> Iterator[MarkedHand]:
        if tracks:
            frames = self._frames(name, near, pictures)
            size = video_size(root)
            video = {self.attributes["session"]: PurePosixPath(name).with_suffix("").as_posix()}
            for track in tracks:
                counted.counts.update(shape.tag for shape in track if shape.tag in OTHER_CVAT_SHAPES)
                for shape in track:
                    if shape.tag in CVAT_SHAPES and shape.get("outside") != "1":
                        number = shape.get("frame") or ""
                        picture = frames.get(number.zfill(6), f"frame {number}")
                        entry = f"track {track.get('id')} frame {number}"
                        yield hand_in(shape, track.get("label"), picture, size, video, entry)
        if counted.counts:
            shapes = ", ".join(f"{count:,} {shape}" for shape, count in sorted(counted.counts.items()))
            counted.notes.append(f"{name}: shapes that are neither boxes nor polygons are left out: {shapes}")

    def _frames(self, name: str, near: Sequence[str], pictures: PictureIndex) -> dict[str, str]:
        """Six-digit number of a frame -> its picture."""
        found: dict[str, str] = {}
        for path in sorted(pictures.paths):
            folder, _, file = path.rpartition("/")
            stem = file.rpartition(".")[0]
            if folder in near and is_image(path) and stem.startswith("frame_"):
                found.setdefault(stem.removeprefix("frame_"), path)
        if not found:
            raise DataError(
                f"{self.root}/{name} is CVAT for video, and its frames are not there as {near[0]}/frame_000000.png; "
                'export it with "Save images", or cut the video: '
                f"ffmpeg -i VIDEO -start_number 0 {self.root}/{near[0]}/frame_%06d.png"
            )
        return found


def hand_in(
    shape: Element, label: str | None, picture: str, size: PictureSize | None, shared: Mapping[str, str], entry: str
) -> MarkedHand:
    """A box or polygon as a hand."""
    values = {key: value for key, value in shape.attrib.items() if key in (*CVAT_CORNERS, "points", "rotation")}
    box: tuple[float, ...] | None = None
    problem = None
    try:
        box = box_of(shape) if shape.tag == "box" else around(polygon_points(shape))
    except ValueError:
        problem = f"its {shape.tag} is not made of numbers: {', '.join(f'{key} {values[key]!r}' for key in values)}"
    return MarkedHand(
        picture, label or "", box, None, size, None, {**shared, **shape_attributes(shape)}, entry, problem
    )


def box_of(shape: Element) -> tuple[float, float, float, float]:
    """A box in pixels, or the box around a turned one. Raises `ValueError` for a coordinate that is no number."""
    x1, y1, x2, y2 = (float(shape.get(name, "")) for name in CVAT_CORNERS)
    turn = math.radians(float(shape.get("rotation", "0")))
    if not turn or x2 <= x1 or y2 <= y1:
        return x1, y1, x2, y2
    x, y, wide, high = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2
    cos, sin = math.cos(turn), math.sin(turn)
    offsets = [(dx * wide, dy * high) for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return around([(x + dx * cos - dy * sin, y + dx * sin + dy * cos) for dx, dy in offsets])


def polygon_points(polygon: Element) -> list[tuple[float, float]]:
    """The points of `x,y;x,y;...`. Raises `ValueError` for anything else."""
    pairs = [[float(number) for number in pair.split(",")] for pair in polygon.get("points", "").split(";")]
    return [(x, y) for x, y in pairs]


def shape_attributes(shape: Element) -> dict[str, str]:
    """A shape's attributes by name."""
    return {entry.get("name") or "": (entry.text or "").strip() for entry in shape.iterfind("attribute")}


def split_of(image: Element, name: str) -> str:
    """The official split of an image, by its subset, else by the XML's path."""
    return SPLIT_WORDS.get((image.get("subset") or "").lower(), "") or split_in(name)


def video_size(root: Element) -> PictureSize | None:
    """Width and height of a video's frames, as the XML states them."""
    stated = root.find(".//original_size")
    return None if stated is None else positive_size(stated.findtext("width"), stated.findtext("height"))
