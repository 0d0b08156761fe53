"""What the machine computes on, and in which precision."""

from __future__ import annotations

import os

import torch


def accelerator(wanted: str) -> str:
    """The accelerator for `cpu`, `gpu`, `mps`, or `auto`: the best there is."""
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "gpu"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def precision(wanted: str, accelerator: str) -> str:
    """Lightning's precision for `auto`: mixed bfloat16 where the processor computes in it natively, else float32.

    Emulated bfloat16 is slower than float32, so a processor that merely accepts it does not count.
    """
    if wanted != "auto":
        return wanted
    native = {
        "gpu": lambda: torch.cuda.is_bf16_supported(including_emulation=False),
        "cpu": lambda: torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported(),
    }
    return "bf16-mixed" if native.get(accelerator, lambda: False)() else "32-true"


def use_threads(count: int | None) -> None:
    """Let torch use `count` processor threads; None: one per core that this process may run on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(count or cores)


def make_deterministic() -> None:
    """Ask for operators that give the same result every time.

    An operator that has no such variant warns instead of failing. Filling fresh memory, which torch adds by default,
    serves programs that read what they never wrote, and costs time.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
