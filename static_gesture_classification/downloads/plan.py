"""What the configuration says a dataset is published as: which files, what is in them, and where that belongs.

conf/downloads/ holds one YAML per dataset, so that an address that has moved is corrected there, and a new dataset
needs no code. A dataset has parts (gestures, subjects); each variant lists its files, with KEY in place of the part's
name. A file whose name has KEY in it is published once per part; one that has it only in `to` holds all parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.downloads.transfer import RemoteFile
from static_gesture_classification.errors import UserError

KEY = "KEY"
UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}


@dataclass(frozen=True)
class Content:
    """Something in a published file that is fetched and recorded as one: a gesture's images, the annotations.

    Args:
        members: which of the archive's members; None if the file itself is the content.
        to: where one goes, relative to the root, with the named groups of `members`.
        present: paths below the root of which any, existing, shows that it is there.
        files: the published number of files, None if unknown.
    """

    name: str
    members: re.Pattern[str] | None
    to: str
    present: tuple[str, ...]
    files: int | None = None


@dataclass(frozen=True)
class Item:
    """A published file and the contents wanted of it.

    Args:
        about: its size in bytes, roughly, for the disk check before anything is fetched; 0 if unknown.
        expands: unpacked size / packed size, for the same check.
        stream: take the contents out of the archive on the server, where it serves parts of files.
        shared: it holds all parts, wanted or not, so that its size says little about what is wanted.
    """

    remote: RemoteFile
    contents: tuple[Content, ...]
    about: int = 0
    expands: float = 1.0
    stream: bool = False
    shared: bool = False


@dataclass(frozen=True)
class Listing:
    """A Mendeley Data dataset, where addresses, sizes and hashes of its files can be looked up."""

    dataset: str
    version: int


@dataclass(frozen=True)
class Plan:
    """All that is to be fetched. `record` is the path of the record of what was, below `root`."""

    dataset: str
    variant: str
    page: str
    root: Path
    record: str
    items: tuple[Item, ...]
    listing: Listing | None = None


def planned(config: DictConfig) -> Plan:
    """The plan for `config` (the `downloads` node).

    Raises:
        UserError: the dataset, variant or a part is not one of those there are; the message lists them.
    """
    name = config.dataset
    datasets = [str(key) for key, value in config.items() if isinstance(value, DictConfig) and "variants" in value]
    if name not in datasets:
        raise UserError(
            f"downloads.dataset is {name}; choose one of {', '.join(datasets)}, as in downloads.dataset={datasets[0]}"
        )
    dataset: dict[str, Any] = OmegaConf.to_container(config[name], resolve=True)  # type: ignore[assignment]
    variants = {str(key): files for key, files in dataset["variants"].items()}
    variant = str(config.variant)
    if variant not in variants:
        raise UserError(f"downloads.variant is {variant}; {name} has {', '.join(variants)}")
    needs_parts = any(KEY in text for file in variants[variant] for text in (file["name"], file["to"]))
    parts = chosen_parts(config.parts, name, dataset) if needs_parts else []
    items = [item for file in variants[variant] for item in _items(file, parts, dataset["parts"])]
    listing = dataset.get("listing")
    return Plan(
        dataset=name,
        variant=variant,
        page=dataset["page"],
        root=Path(dataset["root"]).expanduser(),
        record=dataset["record"],
        items=tuple(items),
        listing=Listing(**listing) if listing else None,
    )


def chosen_parts(wanted: str | Sequence[str] | None, name: str, dataset: Mapping[str, Any]) -> list[str]:
    """The dataset's own names of the wanted parts; `all`, and names of our gestures, stand for several.

    Raises:
        UserError: none is wanted where one must be named, or one is unknown.
    """
    parts: Mapping[str, Mapping[str, Any]] = dataset["parts"]
    wanted = dataset["parts_by_default"] if wanted is None else wanted
    names = wanted.replace(",", " ").split() if isinstance(wanted, str) else [str(part) for part in wanted or ()]
    sizes = ", ".join(f"{part} ({entry['about']})" if entry.get("about") else part for part, entry in parts.items())
    if not names:
        raise UserError(
            f"{name}: name what to fetch, or all, as in {dataset.get('example', 'downloads.parts=all')}. "
            f"There are {sizes}"
        )
    if names == ["all"]:
        return list(parts)
    chosen: dict[str, None] = {}
    for wish in names:
        found = (
            [wish] if wish in parts else [part for part in parts if (dataset.get("aliases") or {}).get(part) == wish]
        )
        if not found:
            raise UserError(f"{name} has no {wish!r}. There are {sizes}")
        chosen |= dict.fromkeys(found)
    return list(chosen)


def size_in_bytes(text: str | int | None) -> int:
    """Bytes of a size as people write it; 0 for None.

    >>> size_in_bytes("1.5 GiB")
    1610612736

    Raises:
        UserError: it is not a number and a unit.
    """
    if text is None or isinstance(text, int):
        return text or 0
    number, _, unit = text.strip().partition(" ")
    try:
        return int(float(number) * UNITS[unit or "B"])
    except (ValueError, KeyError):
        raise UserError(f"conf/downloads: {text!r} is not a size; write it as 1.5 GiB ({', '.join(UNITS)})") from None


def _items(file: Mapping[str, Any], parts: Sequence[str], entries: Mapping[str, Mapping[str, Any]]) -> list[Item]:
    """The published files that one line of a variant stands for."""
    if KEY in file["name"]:
        return [_item(_for_part({**entries[part], **file}, part), [part]) for part in parts]
    return [_item(file, parts if KEY in file["to"] else [])]


def _item(file: Mapping[str, Any], parts: Sequence[str]) -> Item:
    size = file.get("size")
    return Item(
        remote=RemoteFile(file["name"], file.get("url") or "", size, file.get("sha256")),
        contents=tuple(_content(_for_part(file, part), part) for part in parts) or (_content(file, file["name"]),),
        about=size or size_in_bytes(file.get("about")),
        expands=float(file.get("expands", 1.0)),
        stream=bool(file.get("stream", False)),
        shared=KEY in file["to"],
    )


def _content(file: Mapping[str, Any], part: str) -> Content:
    members = file.get("members")
    name = part if members else file["name"]
    return Content(
        name, re.compile(members) if members else None, file["to"], tuple(file["present"]), file.get("files")
    )


def _for_part(file: Mapping[str, Any], part: str) -> dict[str, Any]:
    """A file's description with the part's name in place of KEY."""

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(text) for text in value]
        return value.replace(KEY, part) if isinstance(value, str) else value

    return {key: named(value) for key, value in file.items()}
