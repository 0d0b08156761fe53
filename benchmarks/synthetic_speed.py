"""How many synthetic pictures of 256 x 256 are taken a second, on all cores and on one.

    python benchmarks/synthetic_speed.py

runs the generator as the pipeline does (poses, rendering, JPEG, files, annotations) into a temporary folder. The
renderer is compiled before the clock starts, and the time that takes without a cache is given beside it. The table is
printed and kept in benchmarks/results/synthetic_speed.md.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
from hydra import compose, initialize_config_dir
from machine import measured_on

from static_gesture_classification.configuration import CONF
from static_gesture_classification.synthetic.dataset import SyntheticDataset
from static_gesture_classification.synthetic.generate import generate

PROJECT = Path(__file__).resolve().parent.parent
RESULT = PROJECT / "benchmarks" / "results" / "synthetic_speed.md"
IMAGES, REPEATS, LIMIT = 400, 3, 60


def main() -> None:
    load = os.getloadavg()[0]
    compilation = seconds_to_compile()
    rates = {jobs: [frames_per_second(jobs, seed) for seed in range(REPEATS)] for jobs in (-1, 1)}
    text = report(rates, processor_seconds(), compilation, load)
    print(text)
    RESULT.write_text(text, encoding="utf-8")


def seconds_to_compile() -> float:
    """Seconds that the first picture costs where nothing is cached yet."""
    code = "\n".join(
        [
            "import time",
            "from hydra import compose, initialize_config_dir",
            "from static_gesture_classification.synthetic.dataset import Picture, SyntheticDataset",
            f"with initialize_config_dir({str(CONF)!r}, version_base='1.3'):",
            "    dataset = SyntheticDataset.from_config(compose('config'))",
            "start = time.perf_counter()",
            "dataset.photograph(Picture('OKAY', 0))",
            "print(time.perf_counter() - start)",
        ]
    )
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command,
            env={**os.environ, "NUMBA_CACHE_DIR": cache},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout)


def frames_per_second(jobs: int, seed: int) -> float:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        varied = ["synthetic.size=256", "synthetic.variety=1", f"synthetic.images={IMAGES}"]
        dataset = SyntheticDataset.from_config(
            compose("config", [*varied, f"synthetic.n_jobs={jobs}", f"synthetic.seed={seed}"])
        )
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        generate(dataset, Path(folder))
        return IMAGES / (time.perf_counter() - start)


def processor_seconds() -> float:
    """Seconds of processor time per picture in one process: what other programs on the machine hardly change."""
    start = time.process_time()
    frames_per_second(1, REPEATS)
    return (time.process_time() - start) / IMAGES


def report(rates: dict[int, list[float]], each_costs: float, compilation: float, load: float) -> str:
    lines = [
        "# Taking synthetic pictures of 256 x 256",
        "",
        f"{measured_on('numba', 'numpy', 'pillow', 'simplejpeg', 'joblib')}; "
        f"{IMAGES} pictures, {REPEATS} repetitions; load of the machine before the run: {load:.1f}",
        "",
        f"| processes | pictures a second, median (at least {LIMIT} on two cores) | least and most |",
        "|---|---|---|",
    ]
    for jobs, each in rates.items():
        processes = joblib.cpu_count() if jobs == -1 else jobs
        lines.append(f"| {processes} | {statistics.median(each):.1f} | {min(each):.1f} to {max(each):.1f} |")
    lines += [
        "",
        f"One picture costs {1000 * each_costs:.1f} ms of processor time, {2 / each_costs:.0f} pictures a second on "
        "two cores that do nothing else.",
        "",
        "All that a picture costs is in it: pose, rendering, background, JPEG, file, annotation, and starting the "
        f"processes. Compiling the renderer took {compilation:.0f} s; it is done once and cached.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
