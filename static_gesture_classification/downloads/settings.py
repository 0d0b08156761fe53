"""What conf/download/ says: how to fetch, and for each dataset which files are published and what is in them.

There is one YAML per dataset, so that an address that has moved is corrected there, and a new dataset needs no code. A
dataset has parts (gestures, subjects). Each variant lists its files, with KEY in place of the part's name: a file with
KEY in its name is published once per part; one with KEY only in `to` holds all parts.
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

KEY = "KEY"


def _names(value: Any) -> Any:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _size(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value or 0)
    except ValueError:
        raise ValueError("must be a size such as 1.5 GiB or 28 MB") from None


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Size = Annotated[ByteSize, WrapValidator(_size)]


class PublishedPart(Settings):
    """What is published of one part."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = None  # without one, it is looked up in the dataset's listing
    size: int | None = Field(None, ge=0)  # bytes
    sha256: str | None = Field(None, pattern="^[0-9A-Fa-f]{64}$")
    about: Size = ByteSize(0)  # roughly the size, for the disk check before anything is fetched; 0: unknown
    files: int | None = Field(None, ge=0)  # in the archive


class PublishedFile(PublishedPart):
    """A file of a variant. What it does not say, the part says."""

    name: str
    members: re.Pattern[str] | None = None  # which of the archive are wanted; None: the file itself is
    to: str  # where one goes, below the root, with the named groups of `members`
    present: tuple[str, ...]  # paths below the root of which any, existing, shows that it is there
    expands: float = Field(1.0, gt=0)  # unpacked size / packed size, for the disk check
    stream: bool = False  # take members out of the archive on the server, where it serves parts of files

    def for_part(self, part: str, published: PublishedPart | None = None) -> PublishedFile:
        """The file of one part, or what is of that part in a file for all."""
        own = published.model_dump(mode="json", exclude_unset=True) if published else {}
        text = json.dumps({**own, **self.model_dump(mode="json", exclude_unset=True)})
        return PublishedFile.model_validate_json(text.replace(KEY, json.dumps(part)[1:-1]))


class Listing(Settings):
    """A Mendeley Data dataset, where addresses, sizes and hashes of its files can be looked up."""

    model_config = ConfigDict(extra="forbid")

    dataset: str
    version: int


class PublishedDataset(Settings):
    """A dataset. Its YAML may hold more: values to which others in it refer."""

    page: str  # for people
    root: Path
    record: str  # path of the record of what was fetched, below the root
    parts: dict[str, PublishedPart]
    parts_by_default: Names | None  # None: parts must be named
    variants: dict[str, tuple[PublishedFile, ...]]
    listing: Listing | None = None
    aliases: dict[str, str | None] = Field(default_factory=dict)  # part -> a gesture by which it can be named too
    example: str = "download.parts=all"  # a command that names parts


class DownloadSettings(Settings):
    """What to fetch, and how: see conf/download/default.yaml."""

    model_config = ConfigDict(extra="forbid")

    dataset: str
    published: PublishedDataset
    parts: Names | None
    variant: str
    keep_archives: bool
    attempts: int = Field(ge=1)
    wait: float = Field(ge=0)
    timeout: float = Field(gt=0)
    user_agent: str
    mendeley: str

    @classmethod
    def from_config(cls, config: DictConfig) -> DownloadSettings:
        """The settings in the composed configuration.

        Raises:
            UserError: a value is missing or wrong, or there is no such dataset or variant; the message lists them.
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
