"""How long the whole pipeline takes, and how well it ends: the embedded default, or the README's own-data example.

    python benchmarks/pipeline.py default              # what `make repro` runs after installation
    python benchmarks/pipeline.py efficientnet_lite0   # fine-tuned on the photographs beside the project
    python benchmarks/pipeline.py resnet18             # from random weights, on the same photographs

Clones the project's last commit into a temporary folder, runs `dvc repro` there, prints the row and adds it to
benchmarks/results/pipeline.md. The test split is scored once, by the evaluate stage; nothing is chosen by it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import measured_on

PROJECT = Path(__file__).resolve().parent.parent
PHOTOGRAPHS = PROJECT.parent / "shared" / "data"
RESULT = PROJECT / "benchmarks" / "results" / "pipeline.md"
OWN_DATA = """# @package _global_
defaults:
  - override /sources: [hagrid, hands, recorded_legacy]
  - override /model: {model}
  - override /train_hyperparams: {recipe}
sources:
  hagrid: {{root: {photographs}/hagrid_mini}}
  hands: {{root: {photographs}/hands_mini}}
  recorded_legacy: {{root: {photographs}/recorded_legacy}}
crops: {{size: {size}}}
"""
RECIPES = {"efficientnet_lite0": "finetune", "resnet18": "scratch"}
SIZES = {"efficientnet_lite0": 128, "resnet18": 96}  # of crops, in pixels
LIMITS = {
    "default": "8 minutes in all, F1 0.95",
    "efficientnet_lite0": "12 minutes of training, F1 0.92",
    "resnet18": "20 minutes of training, F1 0.85",
}
HEADER = """# The whole pipeline

The default is scored on synthetic people, the others on hand crops by the true boxes of photographs whose val people
show no thumb and whose test people at most five, all of one: they say little of THUMBS_UP and nothing of THUMBS_DOWN.
On people who had no part in development: unseen_people.md.

| pipeline | wanted | all stages | training stage | weighted F1, test (95 % interval) | weighted F1, val | measured |
|---|---|---|---|---|---|---|
"""


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "default"
    with tempfile.TemporaryDirectory() as folder:
        project = clone(Path(folder) / "project")
        if name in RECIPES:
            use_photographs(project, name)
        seconds = run_pipeline(project)
        row = report(name, project, seconds)
    keep(name, row)
    print(HEADER + row)


def clone(folder: Path) -> Path:
    """The project's last commit in a folder of its own."""
    subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(folder)], check=True)
    return folder


def use_photographs(project: Path, model: str) -> None:
    """Root the sources in the photographs beside the project, as the README's example does."""
    if not PHOTOGRAPHS.is_dir():
        sys.exit(f"real photographs are not present at {PHOTOGRAPHS}")
    local = project / "conf" / "local" / "default.yaml"
    local.parent.mkdir()
    local.write_text(
        OWN_DATA.format(model=model, recipe=RECIPES[model], size=SIZES[model], photographs=PHOTOGRAPHS),
        encoding="utf-8",
    )


def run_pipeline(project: Path) -> float:
    """Seconds from `dvc repro` to its end."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}
    start = time.perf_counter()
    compose = [sys.executable, "-m", "static_gesture_classification.configuration"]
    subprocess.run(compose, cwd=project, env=environment, check=True)
    subprocess.run(["dvc", "repro"], cwd=project, env=environment, check=True)
    return time.perf_counter() - start


def report(name: str, project: Path, seconds: float) -> str:
    """The row of a finished pipeline."""
    metrics = json.loads((project / "reports" / "metrics.json").read_text(encoding="utf-8"))
    run = json.loads(next((project / "runs").glob("*/run.json")).read_text(encoding="utf-8"))
    training = sum(session["ended"] - session["started"] for session in run["sessions"])
    cells = [
        name,
        LIMITS[name],
        f"{seconds / 60:.1f} min",
        f"{training / 60:.1f} min",
        f"{metrics['test']['weighted_f1']:.3f} ({interval(metrics['test'])})",
        f"{metrics['val']['weighted_f1']:.3f}",
        f"{measured_on('torch', 'pytorch-lightning')}; load of the last 15 minutes {os.getloadavg()[2]:.1f}",
    ]
    return f"| {' | '.join(cells)} |\n"


def interval(metrics: dict[str, Any]) -> str:
    """`low to high` of the bootstrap interval of weighted F1."""
    found = metrics["weighted_f1_interval"]
    low, high = (found["low"], found["high"]) if isinstance(found, dict) else found
    return f"{low:.3f} to {high:.3f}"


def keep(name: str, row: str) -> None:
    """Put the row into the results in place of the pipeline's earlier one."""
    earlier = (
        RESULT.read_text(encoding="utf-8").removeprefix(HEADER).splitlines(keepends=True) if RESULT.is_file() else []
    )
    rows = [line for line in earlier if not line.startswith(f"| {name} |")]
    RESULT.write_text(HEADER + "".join(sorted([*rows, row])), encoding="utf-8")


if __name__ == "__main__":
    main()
