"""The settings in conf/download/: how to fetch, and the published files of each dataset with their contents.

One YAML per dataset: a new address or dataset needs no code. A dataset has parts (gestures, subjects). Each variant
lists its files, with KEY in place of the part's name: a file with KEY in its name is published once per part; a file
with KEY only in `to` holds all parts.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

from omegaconf import DictConfig
from pydantic import BeforeValidator, ByteSize, ConfigDict, Field, ValidatorFunctionWrapHandler, WrapValidator

from static_gesture_classification.errors import UserError
from static_gesture_classification.settings import Settings

PART_PLACEHOLDER = "KEY"


def _names(value: Any) -> Any:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _size(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value or 0)
    except ValueError:
        raise ValueError("must be a size such as 1.5 GiB or 28 MB") from None


NameList = Annotated[tuple[str, ...], BeforeValidator(_names)]
FileSize = Annotated[ByteSize, WrapValidator(_size)]


class PublishedPart(Settings):
    """The published data of one part."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = None  # None: the dataset's listing has it
    size: int | None = Field(None, ge=0)  # bytes
    sha256: str | None = Field(None, pattern="^[0-9A-Fa-f]{64}$")
    about: FileSize = ByteSize(0)  # rough size, for the disk check before a download; 0: unknown
    files: int | None = Field(None, ge=0)  # in the archive


class PublishedFile(PublishedPart):
    """A file of a variant; fields that it lacks come from the part."""

    name: str
    members: re.Pattern[str] | None = None  # wanted members of the archive; None: the file itself
    to: str  # place of a member below the root, with the named groups of `members`
    present: tuple[str, ...]  # paths below the root; if any exists, the content is there
    expands: float = Field(1.0, gt=0)  # unpacked size / packed size, for the disk check
    stream: bool = False  # take members out of the archive on the server, where it serves parts of files

    def for_part(self, part: str, published: PublishedPart | None = None) -> PublishedFile:
        """The file of one part, or that part of a file for all."""
        own = published.model_dump(mode="json", exclude_unset=True) if published else {}
        text = json.dumps({**own, **self.model_dump(mode="json", exclude_unset=True)})
        return PublishedFile.model_validate_json(text.replace(PART_PLACEHOLDER, json.dumps(part)[1:-1]))


class Listing(Settings):
    """A Mendeley Data dataset, which lists addresses, sizes and hashes of its files."""

    model_config = ConfigDict(extra="forbid")

    dataset: str
    version: int


class PublishedDataset(Settings):
    """A dataset. Its YAML may hold further values, to which its entries refer."""

    page: str  # for people
    root: Path
    record: str  # path of the record of downloads, below the root
    parts: dict[str, PublishedPart]
    parts_by_default: NameList | None  # None: parts must be named
    variants: dict[str, tuple[PublishedFile, ...]]
    listing: Listing | None = None
    aliases: dict[str, str | None] = Field(default_factory=dict)  # part -> a gesture that names it too
    example: str = "download.parts=all"  # a command that names parts


class DownloadSettings(Settings):
    """What to fetch, and how; `download` of the configuration."""

    model_config = ConfigDict(extra="forbid")

    dataset: str
    published: PublishedDataset
    parts: NameList | None
    variant: str
    keep_archives: bool
    attempts: int = Field(ge=1)
    wait: float = Field(ge=0)
    timeout: float = Field(gt=0)
    user_agent: str
    mendeley: str

    @classmethod
    def from_config(cls, config: DictConfig) -> DownloadSettings:
        """From `download`.

        Raises:
            UserError: a value is missing or wrong, or the dataset or variant is unknown; lists the known ones.
        """
        node, name = config.download, config.download.dataset
        datasets = [key for key, value in node.items() if isinstance(value, DictConfig) and "variants" in value]
        if name not in datasets:
            way_out = f"choose one of {', '.join(datasets)}, as in download.dataset={datasets[0]}"
            raise UserError(f"download.dataset is {name}; {way_out}")
        published = PublishedDataset.read(config, f"download.{name}")
        settings = cls.read(config, "download", published=published)
        if settings.variant not in published.variants:
            raise UserError(f"download.variant is {settings.variant}; {name} has {', '.join(published.variants)}")
        return settings
