"""Work whose worker is killed in the midst, once, as by a lack of memory. Workers load it by name."""

import os
import signal
import sys
from pathlib import Path

from static_gesture_classification.errors import DataError
from static_gesture_classification.keyed_store import Keys
from static_gesture_classification.preparation.cropping import Cut, crop_image
from static_gesture_classification.preparation.per_image import ImageTask

DYING_IMAGE = 5


def die_once(marker: Path) -> None:
    """Kill this process, unless one was killed before."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def double(number: int, marker: Path) -> int:
    """Twice the number; the worker that gets 5 dies first."""
    if number == DYING_IMAGE:
        die_once(marker)
    return 2 * number


def always_die(number: int) -> int:
    """Never comes back."""
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuse(number: int) -> int:
    """Raise an error of the user's."""
    raise DataError(f"{number} is a bad number")


def crop_or_die(task: ImageTask, known: Keys, size: int, margin: float, marker: Path) -> Cut:
    """`crop_image`; the worker that gets one of the images dies first."""
    if task.image == DYING_IMAGE:
        die_once(marker)
    return crop_image(task, known, size, margin)


def seen_by(number: int) -> tuple[str, str, bool]:
    """The node that works, its setting of usage statistics, and whether it has loaded the configuration."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    loaded = "static_gesture_classification.configuration" in sys.modules
    return node, os.environ.get("RAY_USAGE_STATS_ENABLED", ""), loaded
