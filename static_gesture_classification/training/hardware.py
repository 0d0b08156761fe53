"""Device, precision, threads and memory of the computation."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Sequence

import torch

from static_gesture_classification.errors import UserError

_LARGEST = 2**30  # bytes that glibc may take from its heap at once
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt, malloc.h


def accelerator(wanted: str) -> str:
    """The accelerator for `cpu`, `gpu`, `mps`, or `auto`: the best there is."""
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "gpu"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def torch_device(wanted: str) -> str:
    """What `trainer.accelerator` means to torch: `cpu`, `cuda` or `mps`."""
    found = accelerator(wanted)
    return "cuda" if found == "gpu" else found


def one_device(wanted: object, accelerator: str) -> int | list[int]:
    """Check that `trainer.devices` names one device; returns 1, or a list with its number.

    Args:
        wanted: a count, a list of numbers, "auto" or -1 for all devices; also as text, like Lightning's.
        accelerator: `cpu`, `gpu` or `mps`.

    Raises:
        UserError: it names several devices, none, or something else.
    """
    way_out = "this program trains on one for now: trainer.devices=1, or trainer.devices=[0] for the first"
    numbers = _device_numbers(wanted)
    if numbers is not None and len(numbers) == 1 and numbers[0] >= 0:
        return numbers
    count = {"auto": -1, "-1": -1, "1": 1}.get(str(wanted), 0) if numbers is None else 0
    if count == 1 or (count == -1 and _devices_there(accelerator) == 1):
        return 1
    if count == -1:
        raise UserError(f"trainer.devices={wanted} takes all {_devices_there(accelerator)} devices; {way_out}")
    raise UserError(f"trainer.devices={wanted} is not one device; {way_out}")


def _device_numbers(wanted: object) -> list[int] | None:
    """The numbers in a list of devices, such as [0, 1] or "0,1"; None if it is no list."""
    parts = wanted.split(",") if isinstance(wanted, str) and "," in wanted else wanted
    if isinstance(parts, str) or not isinstance(parts, Sequence):
        return None
    texts = [str(part).strip() for part in parts]
    return [int(text) if text.isdecimal() else -1 for text in texts if text]


def _devices_there(accelerator: str) -> int:
    return torch.cuda.device_count() if accelerator == "gpu" else 1


def precision(wanted: str, accelerator: str) -> str:
    """Lightning's precision for `auto`: mixed bfloat16 where the processor computes in it natively, else float32.

    Emulated bfloat16 is slower than float32, so it does not count.
    """
    if wanted != "auto":
        return wanted
    native = {
        "gpu": lambda: torch.cuda.is_bf16_supported(including_emulation=False),
        "cpu": lambda: torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported(),
    }
    return "bf16-mixed" if native.get(accelerator, lambda: False)() else "32-true"


def use_processor(threads: int | None) -> None:
    """Set torch's number of processor threads (None: one per core of this process), and keep freed memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(threads or cores)
    _keep_memory()


def _keep_memory() -> None:
    """Let glibc keep freed memory for the next batch.

    By default it returns large blocks to the system and gets them again page by page. A step of ResNet18 on 64 crops of
    96 pixels has 37,600 page faults and takes 480 ms on two cores; with kept memory 600 and 370 to 400 ms. Other C
    libraries are left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def make_deterministic() -> None:
    """Use deterministic operators.

    An operator without a deterministic variant warns instead of failing. Torch would also fill new memory; that costs
    time and only helps programs that read memory they never wrote.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
