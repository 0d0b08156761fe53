"""How much memory there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

# Where Linux keeps what a control group may use: its second version, and the first (its documents cgroup-v2.rst and
# cgroup-v1/memory.rst). The file holds "max", or a number beyond any memory, where there is no limit.
GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")  # lines such as "0::/jobs/12" or, of the first version, "4:memory:/jobs/12"


def free_memory() -> int:
    """Bytes that may still be used, with what the system can take back: of the machine, or all of the container's.

    A limit of this process's own group (a job's on a cluster) and of those around it counts like a container's.
    """
    limits = [text for path in _limit_files() if (text := path.read_text(encoding="ascii").strip()).isdigit()]
    return min([int(psutil.virtual_memory().available), *map(int, limits)])


def _limit_files() -> Iterator[Path]:
    lines = OWN_GROUPS.read_text(encoding="utf-8").splitlines() if OWN_GROUPS.is_file() else []
    own = {kind: Path(path.lstrip("/")) for _, kind, path in (line.split(":", 2) for line in lines)}
    for kind, root, name in (
        ("", GROUPS, "memory.max"),
        ("memory", GROUPS / "memory", "memory.limit_in_bytes"),
    ):
        group = own.get(kind, Path())  # in a container it may be named as outside, where there is no such folder
        for folder in (root / group, *(root / each for each in group.parents)):
            if (folder / name).is_file():
                yield folder / name
