"""The format of a copy of any folder that the pipeline derives: its files in bundles, cut into pieces.

    <url>/<name>.json         what the copy of the folder `name` consists of, written last
    <url>/pieces/<digest>     bytes of its files, one after the other; named by their contents

A bundle is one large file, or consecutive small ones, so that thousands of pictures are a few pieces. A piece that is
there already is not sent again. Pieces that no list names any more are left: delete the folder to get rid of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated

from omegaconf import DictConfig
from pydantic import AfterValidator, BaseModel, Field

from static_gesture_classification.errors import UserError
from static_gesture_classification.preparation.copies.shards import CopyList, Digest
from static_gesture_classification.settings import Settings

PIECES_FOLDER = "pieces"
FETCHED_STORE = ".pulled"  # a store of rows while it is fetched


def _is_below(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or str(PurePosixPath(name)) != name:
        raise ValueError("is no path below the folder")
    return name


FileName = Annotated[str, AfterValidator(_is_below)]


class DataCopySettings(Settings):
    """Where copies of derived folders lie; `data_copy` of the configuration.

    Args:
        url: a URL that fsspec opens, or a folder.
        folders: the name of each copy, and the folder of this machine.
        only: the names that a command copies; empty: all.
        piece_mib: length of a piece in MiB.
        transfers: how many bundles travel at a time.
    """

    url: str
    folders: dict[Annotated[str, Field(pattern=r"^[a-z_]+$")], Path]
    only: tuple[str, ...] = ()
    piece_mib: int = Field(default=64, ge=1, le=1024)
    transfers: int = Field(default=4, ge=1, le=64)

    @classmethod
    def from_config(cls, config: DictConfig) -> DataCopySettings:
        """Those of the commands."""
        if not config.data_copy.url:
            raise UserError("data_copy.url is not set; name a URL or a folder: data_copy.url=s3://bucket/data")
        return cls.read(config, "data_copy")

    @property
    def chosen(self) -> dict[str, Path]:
        """The folders that a command copies. Raises `UserError` where `only` names another."""
        if unknown := [name for name in self.only if name not in self.folders]:
            raise UserError(f"data_copy.only has {unknown[0]}; there are {', '.join(self.folders)}")
        return {name: path for name, path in self.folders.items() if not self.only or name in self.only}


class Bundle(BaseModel):
    """Some files, each with its bytes, and the pieces that hold them one after the other."""

    files: list[tuple[FileName, Annotated[int, Field(ge=0)]]]
    pieces: list[Digest]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size in self.files)


class FolderList(CopyList):
    """The content of a list: the bytes of a piece (the last of a bundle is shorter), and the bundles."""

    piece: int = Field(ge=1)
    bundles: list[Bundle]

    @property
    def names(self) -> list[str]:
        """All files."""
        return [name for bundle in self.bundles for name, _ in bundle.files]


def bundled(files: Sequence[tuple[str, int]], piece: int) -> Iterator[list[tuple[str, int]]]:
    """Files with their bytes in bundles: a file of a piece or more alone, others until they fill one.

    >>> list(bundled([("a", 1), ("b", 9), ("c", 2), ("d", 2)], piece=4))
    [[('a', 1)], [('b', 9)], [('c', 2), ('d', 2)]]
    """
    bundle: list[tuple[str, int]] = []
    for name, size in files:
        if bundle and sum(each for _, each in bundle) + size > piece:
            yield bundle
            bundle = []
        bundle.append((name, size))
    if bundle:
        yield bundle


def pieces_of(folder: Path, files: Sequence[tuple[str, int]], piece: int) -> Iterator[bytes]:
    """The first bytes of each file, as many as its bundle says, one after the other, in pieces."""
    waiting = b""
    for name, left in files:
        with (folder / name).open("rb") as file:
            while left and (data := file.read(min(left, piece - len(waiting)))):
                waiting, left = waiting + data, left - len(data)
                if len(waiting) == piece:
                    yield waiting
                    waiting = b""
    if waiting:
        yield waiting
