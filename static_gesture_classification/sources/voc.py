"""Pascal VOC (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/), one XML per picture.

    Annotations/000001.xml   JPEGImages/000001.jpg   ImageSets/Main/{train,val,trainval,test}.txt     as VOC has it
    train/a.xml, train/a.jpg                                              beside the picture: labelImg, Roboflow

    <annotation>
      <filename>000001.jpg</filename> <size><width>353</width><height>500</height><depth>3</depth></size>
      <object><name>like</name><bndbox><xmin>48</xmin><ymin>240</ymin><xmax>195</xmax><ymax>371</ymax></bndbox>
        <attributes><attribute><name>subject</name><value>anna</value></attribute></attributes></object>
    </annotation>

VOC counts pixels from 1, and xmin and xmax lie inside the box, so that 1..353 is the whole width. Most tools of today
count from 0 (labelImg, CVAT, Datumaro): see `first_pixel`. The picture has the name of the XML, since people rename
files, else it is `filename`. Its split is the list that names it, else its folder. `attributes` is CVAT's addition. XML
with entities is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

from static_gesture_classification.errors import UserError
from static_gesture_classification.samples import Rejected
from static_gesture_classification.sources.annotated import (
    Annotated,
    AnnotationFile,
    MarkedHand,
    PictureIndex,
    positive_size,
    split_in,
)
from static_gesture_classification.sources.folder_layout import SPLIT_WORDS
from static_gesture_classification.sources.parsing import NotWholeError, read_xml
from static_gesture_classification.sources.source import is_image

VOC_CORNERS = ("xmin", "ymin", "xmax", "ymax")
PICTURES = "JPEGImages"
SPLIT_LISTS = "ImageSets/Main"


@dataclass(kw_only=True)
class Voc(Annotated):
    """Reads Pascal VOC's XML.

    Args:
        first_pixel: 1 as VOC counts, or 0 as labelImg, CVAT and Datumaro do.
    """

    first_pixel: int = 1
    layout = "Pascal VOC annotations (Annotations/*.xml, or an .xml beside each picture)"

    def files(self, pictures: PictureIndex) -> Iterable[Iterable[AnnotationFile]]:
        """See `Annotated.files`; a piece for each folder of XML and split."""
        if self.first_pixel not in (0, 1):
            raise UserError(f"sources.{self.name}.first_pixel is {self.first_pixel!r}; pixels are counted from 0 or 1")
        stems = {path.rpartition(".")[0]: path for path in pictures.files.values() if is_image(path)}
        listed = self._lists(pictures)
        groups: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name in pictures.by_suffix(".xml"):
            folder = name.rpartition("/")[0]
            devkit = devkit_of(folder)
            below = name.removeprefix(f"{devkit}/").removeprefix("Annotations/").rpartition(".")[0]
            split = listed.get((devkit, below), split_in(folder))
            groups[folder, split].append(name)
        return [[self._folder(folder, split, names, stems)] for (folder, split), names in groups.items()]

    def _lists(self, pictures: PictureIndex) -> dict[tuple[str, str], str]:
        """(folder of ImageSets, the XML's path below Annotations without suffix) -> official split."""
        found: dict[tuple[str, str], str] = {}
        files = [path for path in pictures.by_suffix(".txt") if path.rpartition("/")[0].endswith(SPLIT_LISTS)]
        known = [path for path in files if PurePosixPath(path).stem in SPLIT_WORDS]
        for path in sorted(known, key=lambda path: PurePosixPath(path).stem != "trainval"):  # train and val overrule it
            devkit = path.rpartition("/")[0].removesuffix(SPLIT_LISTS).strip("/")
            text = (self.folder / path).read_text(encoding="utf-8-sig", errors="replace")
            stems = [line.split()[0] for line in text.splitlines() if line.strip()]
            found |= {(devkit, stem): SPLIT_WORDS[PurePosixPath(path).stem] for stem in stems}
        return found

    def _folder(self, folder: str, split: str, names: Sequence[str], stems: dict[str, str]) -> AnnotationFile:
        rejected: list[Rejected] = []
        devkit = devkit_of(folder)
        below = folder.removeprefix(devkit).strip("/").removeprefix("Annotations")
        near = [f"{devkit}/{PICTURES}{below}".strip("/"), folder, f"{devkit}/{PICTURES}".strip("/"), devkit]
        return AnnotationFile(
            folder or ".", self._read_hands(names, near, stems, rejected), near, split=split, rejected=rejected
        )

    def _read_hands(
        self, names: Sequence[str], near: Sequence[str], stems: dict[str, str], rejected: list[Rejected]
    ) -> Iterator[MarkedHand]:
        for name in names:
            try:
                root = read_xml(self.folder / name)
            except NotWholeError as error:
                rejected.append(Rejected(self.name, name, "the whole file", str(error)))
                continue
            if root.tag != "annotation":
                rejected.append(Rejected(self.name, name, "the whole file", f"its root is <{root.tag}>, no annotation"))
                continue
            picture = picture_of(root, name, near, stems)
            size = positive_size(root.findtext("size/width"), root.findtext("size/height"))
            for number, thing in enumerate(root.iter("object")):
                box, problem = self._box(thing)
                yield MarkedHand(
                    picture=picture,
                    label=(thing.findtext("name") or "").strip(),
                    box=box,
                    size=size,
                    attributes=object_attributes(thing),
                    entry=f"{name} object {number}",
                    problem=problem,
                )

    def _box(self, thing: Element) -> tuple[list[float], str | None]:
        """The box of an object, with 0 as the first pixel's left edge, and its problem."""
        texts = [thing.findtext(f"bndbox/{name}") for name in VOC_CORNERS]
        try:
            x1, y1, x2, y2 = (float(text) for text in texts if text is not None)
        except ValueError:
            shown = ", ".join(f"{name} {text!r}" for name, text in zip(VOC_CORNERS, texts, strict=True))
            return [], f"its bndbox is not four numbers: {shown}"
        left, top = (first and first - self.first_pixel for first in (x1, y1))  # 0 is the edge in any case
        return [left, top, x2, y2], None


def devkit_of(folder: str) -> str:
    """The folder of Annotations, JPEGImages and ImageSets, for a folder of XML."""
    parts = PurePosixPath(folder).parts
    if "Annotations" in parts:
        return "/".join(parts[: parts.index("Annotations")])
    return folder


def picture_of(root: Element, name: str, near: Sequence[str], stems: dict[str, str]) -> str:
    """The picture of an XML, as a path or a name."""
    stem = PurePosixPath(name).stem
    for folder in near:
        path = f"{folder}/{stem}" if folder else stem
        if path in stems:
            return stems[path]
    name = (root.findtext("filename") or "").strip() or (root.findtext("path") or "").strip()
    return name.replace("\\", "/").rpartition("/")[2] or stem


def object_attributes(thing: Element) -> dict[str, str]:
    """CVAT's attributes of an object."""
    return {
        (entry.findtext("name") or "").strip(): (entry.findtext("value") or "").strip()
        for entry in thing.iterfind("attributes/attribute")
    }
