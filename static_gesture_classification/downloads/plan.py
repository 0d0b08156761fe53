"""The files to fetch for the wanted parts of a dataset, and the contents to take from each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from static_gesture_classification.downloads.settings import PART_PLACEHOLDER, DownloadSettings, PublishedFile
from static_gesture_classification.downloads.transfer import RemoteFile
from static_gesture_classification.errors import UserError


@dataclass(frozen=True)
class FileToFetch:
    """A published file and its wanted contents.

    Args:
        file: as it is published.
        contents: name -> members and place of a content, which is fetched and recorded as one (a gesture's images).
    """

    file: PublishedFile
    contents: Mapping[str, PublishedFile]

    @property
    def remote(self) -> RemoteFile:
        """The file as it is fetched."""
        return RemoteFile(self.file.name, self.file.url or "", self.file.size, self.file.sha256)

    @property
    def bytes(self) -> int:
        """Its size, or an estimate before it is fetched."""
        return self.file.size or self.file.about

    @property
    def unpacked_bytes(self) -> int:
        """Its unpacked size, roughly; 0 where it holds all parts, of which few may be wanted."""
        return 0 if PART_PLACEHOLDER in self.file.to else int(self.bytes * self.file.expands)


def choose_files(settings: DownloadSettings) -> list[FileToFetch]:
    """The files to fetch, in order.

    Raises:
        UserError: a part must be named, or is unknown; lists the parts.
    """
    published = settings.published
    files = published.variants[settings.variant]
    needs_parts = any(PART_PLACEHOLDER in text for file in files for text in (file.name, file.to))
    parts = choose_parts(settings) if needs_parts else []
    items: list[FileToFetch] = []
    for file in files:
        if PART_PLACEHOLDER in file.name:
            items += [_item(file.for_part(part, published.parts[part]), [part]) for part in parts]
        else:
            items.append(_item(file, parts if PART_PLACEHOLDER in file.to else []))
    return items


def choose_parts(settings: DownloadSettings) -> list[str]:
    """The dataset's names of the wanted parts; `all` and the names of our gestures stand for several.

    Raises:
        UserError: see `choose_files`.
    """
    published = settings.published
    wanted = settings.parts if settings.parts is not None else published.parts_by_default
    sizes = ", ".join(
        f"{name} ({part.about.human_readable(separator=' ')})" if part.about else name
        for name, part in published.parts.items()
    )
    if not wanted:
        raise UserError(f"{settings.dataset}: name what to fetch, or all, as in {published.example}. There are {sizes}")
    if wanted == ("all",):
        return list(published.parts)
    chosen: dict[str, None] = {}
    for wish in wanted:
        meant = [part for part in published.parts if published.aliases.get(part) == wish]
        found = [wish] if wish in published.parts else meant
        if not found:
            raise UserError(f"{settings.dataset} has no {wish!r}. There are {sizes}")
        chosen |= dict.fromkeys(found)
    return list(chosen)


def _item(file: PublishedFile, parts: list[str]) -> FileToFetch:
    return FileToFetch(
        file, {part if file.members else file.name: file.for_part(part) for part in parts or [file.name]}
    )
