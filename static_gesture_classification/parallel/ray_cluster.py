"""The machines of a Ray cluster (https://docs.ray.io/en/latest/ray-core/tasks.html).

Items are sent to the workers and results come back over the network, so that workers need no disk of the caller's;
what `work` reads itself must be there for each worker, on a shared disk or at a URL. The package's code is sent along:
workers run the caller's. Ray repeats a task whose worker or machine died, so nothing is lost but time.

Nothing leaves the cluster by itself: Ray's usage statistics are off, and a cluster that is started here has no
dashboard and listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from static_gesture_classification.errors import UserError
from static_gesture_classification.parallel.engine import Engine

AHEAD = 4  # items per worker that are sent before a result is taken
PACKAGE_FOLDER = Path(__file__).resolve().parent.parent
# Of a worker: each runs one item at a time, and libraries that start a thread per processor would be in the way.
WORKER_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "DO_NOT_TRACK": "1"}

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class RayEngine(Engine):
    """Tasks of a Ray cluster; see `Engine`.

    Args:
        address: of a cluster; None: that of RAY_ADDRESS, else a new one on this machine that ends with the command.
        retries: times that an item is repeated whose worker died.

    Raises:
        UserError: Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(self, address: str | None = None, retries: int = 5) -> None:
        if importlib.util.find_spec("ray") is None:
            raise UserError("parallel=ray needs Ray, which is absent: pip install 'static-gesture-classification[ray]'")
        self._retries = retries
        self._ray = connect(address)
        call = self._ray.remote(_call)
        self._call = call.options(num_cpus=1, max_retries=retries)

    def workers(self) -> int:
        """One per processor of the cluster."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def map(
        self, work: Callable[[_Item], _Result], items: Iterable[_Item], threads: bool = False, jobs: int = -1
    ) -> Iterator[_Result]:
        """See `Engine.map`. `work` is sent to each machine once."""
        sent, folder = self._ray.put(work), str(Path.cwd())
        waiting: deque[Any] = deque()
        most = AHEAD * self.workers()
        try:
            for item in items:
                waiting.append(self._call.remote(sent, item, folder))
                if len(waiting) >= most:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:  # the caller stopped early, or work raised
            for reference in waiting:
                self._ray.cancel(reference)

    def _result(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            raise error.cause from None  # without the worker's traceback in its message
        except errors.RayError as error:
            times = f"lost the same work {self._retries + 1} times, or is gone ({type(error).__name__})"
            raise UserError(
                f"the Ray cluster {times}; see its logs, give workers more memory, or use parallel=local. What was "
                "finished is kept: repeat the command"
            ) from error


def connect(address: str | None) -> Any:
    """Connect this process to a cluster, unless it is connected; returns the module `ray`. See `RayEngine`."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    if ray.is_initialized():
        return ray
    wanted = address or os.environ.get("RAY_ADDRESS")
    of_its_own: dict[str, Any] = {} if wanted else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(
            address=wanted or "local",
            runtime_env={"py_modules": [str(PACKAGE_FOLDER)], "env_vars": WORKER_ENVIRONMENT},
            log_to_driver=False,
            logging_level=logging.WARNING,
            **of_its_own,
        )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        where = f"the Ray cluster at {wanted} cannot be reached" if wanted else "Ray cannot start on this machine"
        raise UserError(
            f"{where} ({error}); start one (docs/many_machines.md), set parallel.address, or use parallel=local"
        ) from error
    return ray


def _call(work: Callable[[_Item], _Result], item: _Item, folder: str) -> _Result:
    with suppress(OSError):  # on a shared disk relative paths are those of the caller's folder
        os.chdir(folder)
    return work(item)
