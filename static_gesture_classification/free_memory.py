"""How much memory there is."""

from __future__ import annotations

from pathlib import Path

import psutil

# What a container may use, by the second and the first version of Linux's control groups (its documents cgroup-v2.rst
# and cgroup-v1/memory.rst); "max", or a number beyond any memory, where there is no limit.
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def free_memory() -> int:
    """Bytes that may still be used, with what the system can take back: of the machine, or all of the container's."""
    limits = [path.read_text().strip() for path in LIMITS if path.is_file()]
    return min([int(psutil.virtual_memory().available), *(int(limit) for limit in limits if limit.isdigit())])
