"""The format of a copy of the crops: shards named by their contents, and one file that lists them.

    <url>/store.json            what the copy consists of, written last: a reader sees the old copy or the new one
    <url>/shards/<digest>.npy   consecutive rows of crops.npy, uint8 (k, size, size, 3); all but the last equally long
    <url>/tables/<digest>       the tables beside the array

A shard that is there already is not sent again, so a push that was interrupted continues, and one after new samples
sends what has changed. Shards that no `store.json` lists any more are left: delete the folder to get rid of them.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from omegaconf import DictConfig
from pydantic import BaseModel, Field, ValidationError

from static_gesture_classification.errors import DataError, OutputError, UserError
from static_gesture_classification.places import is_url
from static_gesture_classification.settings import Settings

LIST_VERSION = 1
STORE_FILE = "store.json"
SHARDS_FOLDER, TABLES_FOLDER = "shards", "tables"

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class CopySettings(Settings):
    """Where a copy lies; `crop_copy` of the configuration.

    Args:
        url: a URL that fsspec opens, or a folder.
        shard_mib: length of a shard in MiB.
        transfers: how many shards travel at a time.
    """

    url: str
    shard_mib: int = Field(ge=1, le=1024)
    transfers: int = Field(ge=1, le=64)

    @classmethod
    def from_config(cls, config: DictConfig) -> CopySettings:
        """Those of the commands."""
        if not config.crop_copy.url:
            raise UserError("crop_copy.url is not set; name a URL or a folder: crop_copy.url=s3://bucket/crops")
        return cls.read(config, "crop_copy")


class Shard(BaseModel):
    """A shard: the digest of its file, and its number of rows."""

    digest: Digest
    rows: int = Field(ge=1)


class CopyList(BaseModel):
    """What a copy consists of: a file of it, written last."""

    version: int = LIST_VERSION


_List = TypeVar("_List", bound=CopyList)


class StoreList(CopyList):
    """The content of store.json: the side of the crops in pixels, the shards in order, name -> digest of each table."""

    size: int = Field(ge=8, le=4096)
    shards: list[Shard]
    tables: dict[Annotated[str, Field(pattern=r"^\.?[a-z]+\.[a-z.]+$")], Digest]

    @property
    def rows(self) -> int:
        """Number of crops."""
        return sum(shard.rows for shard in self.shards)

    def spans(self) -> Iterator[tuple[Shard, int]]:
        """The shards, each with its first row."""
        first = 0
        for shard in self.shards:
            yield shard, first
            first += shard.rows


@dataclass(frozen=True)
class CopyPlace:
    """A folder or URL that holds a copy.

    Every method raises `DataError` (reading) or `OutputError` (writing) where it cannot be reached.
    """

    url: str

    def sizes(self, folder: str) -> dict[str, int]:
        """Name and bytes of the files in a folder of the copy; none where it is missing."""
        try:
            listed = self._call("ls", folder, detail=True)
        except FileNotFoundError:
            return {}
        return {str(info["name"]).rpartition("/")[2]: int(info.get("size") or 0) for info in listed}

    def read(self, name: str) -> bytes:
        """A file of the copy. Raises `FileNotFoundError` where it is missing."""
        data: bytes = self._call("cat_file", name)
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the copy."""
        try:
            self._call("makedirs", name.rpartition("/")[0], exist_ok=True)
            self._call("pipe_file", name, data)
        except (DataError, OSError) as error:
            raise OutputError(f"cannot write {self.url}/{name}: {error}") from error

    def read_list(self, file: str, kind: type[_List]) -> _List | None:
        """What a copy consists of, by one of its lists; None where there is none.

        Raises:
            DataError: it is damaged, or of another version of this program.
        """
        try:
            found = kind.model_validate_json(self.read(file))
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise DataError(f"{self.url}/{file} is damaged ({error.errors()[0]['msg']}); push again") from error
        if found.version != LIST_VERSION:
            raise DataError(
                f"{self.url}/{file} has version {found.version} of the format, this program reads {LIST_VERSION}; push "
                "again"
            )
        return found

    def fetch(self, name: str, digest: str, what: str) -> bytes:
        """A file of the copy whose contents have this digest; `what` it holds, in the plural.

        Raises:
            DataError: it is missing or damaged.
        """
        try:
            data = self.read(name)
        except FileNotFoundError:
            data = b""
        if digest_of(data) != digest:
            state = "is missing" if not data else "is damaged"
            advice = f"delete it there and push again. Earlier {what} are untouched"
            raise DataError(f"{self.url}/{name} {state}; {advice}")
        return data

    def _call(self, method: str, name: str, *arguments: Any, **options: Any) -> Any:
        from fsspec.core import url_to_fs

        place = self.url if is_url(self.url) else str(Path(self.url).expanduser().absolute())
        try:
            storage, root = url_to_fs(place, use_listings_cache=False)
            return getattr(storage, method)(f"{root.rstrip('/')}/{name}" if name else root, *arguments, **options)
        except FileNotFoundError:
            raise
        except ImportError as error:
            raise DataError(f"cannot open {self.url}: {error}; for s3:// that is the extra [s3]") from error
        except Exception as error:  # storages raise exceptions of their own
            raise DataError(
                f"{self.url} cannot be used ({str(error) or type(error).__name__}); check the address, your keys and "
                "the network (docs/many_machines.md) and repeat the command"
            ) from error


def shard_bytes(rows: np.ndarray) -> bytes:
    """A shard's file: crops uint8 (k, size, size, 3) as .npy."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(rows), allow_pickle=False)
    return file.getvalue()


def digest_of(data: bytes) -> str:
    """The name of a file: 32 hex digits of a hash of its contents."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
