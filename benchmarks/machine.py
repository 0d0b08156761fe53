"""What a result says about the machine that it was measured on, and the list of the quick benchmarks."""

from __future__ import annotations

import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path


def processor() -> str:
    """The processor's name, as Linux tells it; elsewhere what Python knows."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def measured_on(*packages: str) -> str:
    """When and on what a result is measured: `2026-11-27, AMD EPYC, 2 cores, Python 3.11.7, torch 2.13.0`.

    Args:
        packages: distributions that the result depends on.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    versions = [f"{name} {version(name)}" for name in packages]
    return ", ".join(
        [f"{date.today()}", processor(), f"{cores} cores", f"Python {platform.python_version()}", *versions]
    )
