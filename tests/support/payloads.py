"""Six pieces of configuration that would leave a mark if anything built them, for files that are made to do harm."""

import pickle
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

PICKLE, MARK = "pickle", "mark"
Payload = Callable[[Path], Any]


class _OpensTheMark:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.mark), "w")


def write_pickle(folder: Path) -> Path:
    """A pickle that makes the folder's mark when it is loaded."""
    (folder / PICKLE).write_bytes(pickle.dumps(_OpensTheMark(folder / MARK), protocol=2))
    return folder / PICKLE


def unpickled_by_pandas(folder: Path) -> Any:
    return {"_target_": "pandas.read_pickle", "_args_": [str(write_pickle(folder))]}


def executed(folder: Path) -> Any:
    return {"_target_": "builtins.exec", "_args_": [f"open({str(folder / MARK)!r}, 'w')"]}


def run_by_the_shell(folder: Path) -> Any:
    return {"_target_": "os.system", "_args_": [f"touch {shlex.quote(str(folder / MARK))}"]}


def nested_in_an_argument(folder: Path) -> Any:
    inner = {"_target_": "logging.FileHandler", "filename": str(folder / MARK)}
    return {"_target_": "builtins.dict", "inner": [{"deeper": inner}]}


def finished_by_the_next_call(folder: Path) -> Any:
    made = {"_target_": "logging.FileHandler", "_partial_": True, "filename": str(folder / MARK)}
    return {"_target_": "builtins.max", "_args_": [["a"]], "key": made, "default": None}


def through_what_a_backbone_imports(folder: Path) -> Any:
    torch_load = "static_gesture_classification.training.models.efficientnet_lite.torch.load"
    return {"_target_": torch_load, "f": str(write_pickle(folder)), "weights_only": False}


PAYLOADS: tuple[Payload, ...] = (
    unpickled_by_pandas,
    executed,
    run_by_the_shell,
    nested_in_an_argument,
    finished_by_the_next_call,
    through_what_a_backbone_imports,
)
