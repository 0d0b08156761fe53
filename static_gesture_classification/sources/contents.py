"""The stage `sources`: tells `dvc repro` whether a selected source changed.

    gestures sources [overrides]

Writes `data/sources.json`: for each source the number of files, their bytes, and a hash of their names, sizes and
times. It opens no file, so it is fast enough for each `dvc repro`; `index` depends on its output.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.places import is_url, locate
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.sources.source import Source

OUTPUT = Path("data/sources.json")


@entry_point
def main(config: DictConfig) -> None:
    """Write the state of the selected sources."""
    write_json(OUTPUT, {source.name: contents(source) for source in Sources.from_config(config)})


def contents(source: Source) -> dict[str, Any]:
    """The number of watched files, their bytes, and a hash that changes when one of them does.

    Raises:
        DataError: see `Source.present` and `Source.pieces`.
    """
    files = size = 0
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(source.paths_to_watch()) if source.present() else ():
        try:
            state = locate(path).stat() if is_url(path) else os.stat(path)  # noqa: PTH116  a million Paths cost more
        except OSError:  # a link to nowhere
            continue
        if not stat.S_ISDIR(state.st_mode):
            files, size = files + 1, size + state.st_size
        name = os.fsencode(path if is_url(path) else os.path.relpath(path, source.folder))
        digest.update(b"%b\0%d\0%d\0" % (name, state.st_size, state.st_mtime_ns))
    return {"files": files, "bytes": size, "state": digest.hexdigest()}


if __name__ == "__main__":
    main()
