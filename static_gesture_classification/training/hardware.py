"""Device, precision, threads and memory of the computation."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Sequence

import joblib
import torch
from torch import nn

from static_gesture_classification.errors import UserError

_LARGEST = 2**30  # bytes that glibc may take from its heap at once
_WAY_OUT = "set trainer.devices=auto for all, a number, or a list such as [0,1]"
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


def devices(wanted: object, accelerator: str) -> int | list[int]:
    """The devices of this machine that `trainer.devices` names: how many, or a list of their numbers.

    Args:
        wanted: a count, a list of numbers, "auto" or -1 for all devices; also as text, like Lightning's. On the
            processor a count is of processes, and all are one, which uses all cores.
        accelerator: `cpu`, `gpu` or `mps`.

    Raises:
        UserError: it names none, more than there are, or something else.
    """
    numbers, there = _device_numbers(wanted), _devices_there(accelerator)
    if numbers is not None:
        if numbers and min(numbers) >= 0 and len(set(numbers)) == len(numbers):
            return numbers if accelerator in ("gpu", "cuda") else _counted(wanted, len(numbers), accelerator, there)
        raise UserError(f"trainer.devices={wanted} names no devices; {_WAY_OUT}")
    if are_all(wanted):
        return there
    text = str(wanted)
    if not text.isdecimal():
        raise UserError(f"trainer.devices={wanted} names no devices; {_WAY_OUT}")
    return _counted(wanted, int(text), accelerator, there)


def are_all(wanted: object) -> bool:
    """Whether `trainer.devices` names no number, but all devices."""
    return str(wanted) in ("auto", "-1")


def _counted(wanted: object, count: int, accelerator: str, there: int) -> int:
    if count == 0 or (accelerator != "cpu" and count > there):
        raise UserError(f"trainer.devices={wanted}, and there are {there}; {_WAY_OUT}")
    return count


def check_one_device(wanted: object, accelerator: str, command: str) -> None:
    """Raise `UserError` where `trainer.devices` names several, for a command that trains on one."""
    named = devices(wanted, accelerator)
    if not are_all(wanted) and named != 1 and not (isinstance(named, list) and len(named) == 1):
        raise UserError(f"{command} trains on one device; set trainer.devices=1")


def _device_numbers(wanted: object) -> list[int] | None:
    """The numbers in a list of devices, such as [0, 1] or "0,1"; None if it is no list."""
    parts = wanted.split(",") if isinstance(wanted, str) and "," in wanted else wanted
    if isinstance(parts, str) or not isinstance(parts, Sequence):
        return None
    texts = [str(part).strip() for part in parts]
    return [int(text) if text.isdecimal() else -1 for text in texts if text]


def _devices_there(accelerator: str) -> int:
    return torch.cuda.device_count() if accelerator in ("gpu", "cuda") else 1


def precision(wanted: str, accelerator: str, network: nn.Module) -> str:
    """Lightning's precision for `auto`: mixed bfloat16 where the device computes this network faster in it.

    Emulated bfloat16 is slower than float32, so it does not count. On a processor depthwise convolutions are slower in
    bfloat16, and with them EfficientNet and MobileNet: a step in float32 takes half the time
    (benchmarks/results/time_to_score.md).
    """
    if wanted != "auto":
        return wanted
    native = {
        "gpu": lambda: torch.cuda.is_bf16_supported(including_emulation=False),
        "cpu": lambda: _processor_has_bfloat16() and not has_depthwise(network),
    }
    return "bf16-mixed" if native.get(accelerator, lambda: False)() else "32-true"


def has_depthwise(network: nn.Module) -> bool:
    """Whether a network has convolutions that see each channel by itself."""
    convolutions = (module for module in network.modules() if isinstance(module, nn.Conv2d))
    return any(each.groups == each.in_channels > 1 for each in convolutions)


def _processor_has_bfloat16() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def use_processor(threads: int | None, processes: int = 1) -> None:
    """Set torch's number of processor threads, and keep freed memory.

    Args:
        threads: of this process; None: its share of the cores that it may use; a container's limit counts.
        processes: that compute on them.
    """
    torch.set_num_threads(threads or max(1, int(joblib.cpu_count()) // processes))
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


def make_fast() -> None:
    """Use the fastest operators, whether or not they are deterministic, and TensorFloat-32 on GPUs that have it."""
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = True
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")
