"""Which files have to be fetched for the parts that are wanted of a dataset, and what is wanted of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from static_gesture_classification.downloads.settings import KEY, DownloadSettings, PublishedFile
from static_gesture_classification.downloads.transfer import RemoteFile
from static_gesture_classification.errors import UserError


@dataclass(frozen=True)
class Item:
    """A published file and the contents that are wanted of it.

    Args:
        file: as it is published.
        contents: by name what is fetched and recorded as one (a gesture's images, the annotations): what of the file
            it is and where it belongs.
    """

    file: PublishedFile
    contents: Mapping[str, PublishedFile]

    @property
    def remote(self) -> RemoteFile:
        """The file as it is fetched."""
        return RemoteFile(self.file.name, self.file.url or "", self.file.size, self.file.sha256)

    @property
    def bytes(self) -> int:
        """Its size, as far as it is known before anything is fetched."""
        return self.file.size or self.file.about

    @property
    def unpacked_bytes(self) -> int:
        """Roughly what it unpacks to; 0 where it holds all parts, so that its size says little about those wanted."""
        return 0 if KEY in self.file.to else int(self.bytes * self.file.expands)


def make_plan(settings: DownloadSettings) -> list[Item]:
    """The files to fetch, in order.

    Raises:
        UserError: no part is named where one must be, or one is unknown; the message lists them.
    """
    published = settings.published
    files = published.variants[settings.variant]
    needs_parts = any(KEY in text for file in files for text in (file.name, file.to))
    parts = choose_parts(settings) if needs_parts else []
    items: list[Item] = []
    for file in files:
        if KEY in file.name:
            items += [_item(file.for_part(part, published.parts[part]), [part]) for part in parts]
        else:
            items.append(_item(file, parts if KEY in file.to else []))
    return items


def choose_parts(settings: DownloadSettings) -> list[str]:
    """The dataset's own names of the wanted parts; `all`, and names of our gestures, stand for several.

    Raises:
        UserError: see `make_plan`.
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


def _item(file: PublishedFile, parts: list[str]) -> Item:
    return Item(file, {part if file.members else file.name: file.for_part(part) for part in parts or [file.name]})
