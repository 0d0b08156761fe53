"""Hardware samples during a run: processor, memory and graphics memory, as series over seconds of running."""

from __future__ import annotations

import sys
import threading
import time

import psutil

from static_gesture_classification.errors import OutputError
from static_gesture_classification.tracking.run_folder import SECONDS, RunFolder


class HardwareSampler:
    """Logs `monitoring/*` series to a run folder from a thread of its own, until stopped.

    Fields: `monitoring/cpu` and `monitoring/memory` in percent of the machine, `monitoring/process_cpu` in percent of
    one core, `monitoring/process_memory` and `monitoring/gpu_memory` in GiB. Steps are whole seconds of running.

    Args:
        run: the run folder.
        period: seconds between two samples.
    """

    def __init__(self, run: RunFolder, period: float = 10.0) -> None:
        self._run = run
        self._period = period
        self._process = psutil.Process()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_stopped, name="hardware samples", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """Take the last sample and end; does nothing the second time."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def sample(self) -> dict[str, float]:
        """One sample; processor loads are averages since the sample before."""
        gib = float(2**30)
        sample = {
            "monitoring/cpu": psutil.cpu_percent(),
            "monitoring/memory": psutil.virtual_memory().percent,
            "monitoring/process_cpu": self._process.cpu_percent(),
            "monitoring/process_memory": self._process.memory_info().rss / gib,
        }
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():  # asking earlier would claim the device
            free, total = torch.cuda.mem_get_info()
            sample["monitoring/gpu_memory"] = (total - free) / gib
        return sample

    def _sample_until_stopped(self) -> None:
        offset, start = self._run.running_time, time.monotonic()
        self.sample()  # the first loads are meaningless, since there is no sample before
        ended = False
        while not ended:
            ended = self._stopping.wait(self._period)
            try:
                self._run.log_series(self.sample(), round(offset + time.monotonic() - start), unit=SECONDS)
            except (OutputError, psutil.Error):  # a missing sample is no reason to disturb the run
                continue
