"""The pipeline as a whole, in a copy of the project with spaces in its path: what runs, and what is left alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.support.s3_server import s3_server
from tests.support.warm_python import WarmPython

LOCAL = """# @package _global_
# The real pipeline on little: a few people, small pictures, a small network, one epoch.
defaults:
  - override /logger: []
  - override /model: timm
model: {name: test_efficientnet, weights: none}
synthetic: {images: 160, subjects: 16, n_jobs: 1}
crops: {size: 32}
train_hyperparams: {epochs: 1, batch_size: 16}
evaluate: {bootstrap: 20}
"""


TRACING = "static_gesture_classification/synthetic/__pycache__/tracing"  # what numba compiled of it


class Project:
    """A scratch copy of the project under Git and DVC."""

    def __init__(self, folder: Path, commands: Path) -> None:
        self.folder = folder
        # The interpreter that runs the tests comes first, as in an activated environment.
        path = os.pathsep.join((str(commands), str(Path(sys.executable).parent), os.environ["PATH"]))
        identity = {
            "GIT_AUTHOR_NAME": "t",
            "GIT_AUTHOR_EMAIL": "t@t",
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@t",
        }
        self.environment = {**os.environ, **identity, "PATH": path, "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}

    def run(self, *command: str) -> str:
        """Run a command in the project; returns what it printed, raises with it when the command fails."""
        result = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
        return result.stdout + result.stderr

    def stages_run(self, output: str) -> list[str]:
        """Names of the stages that a `dvc repro` or `dvc exp run` ran, in order."""
        return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file that must contain it."""
        text = (self.folder / path).read_text()
        assert old in text
        (self.folder / path).write_text(text.replace(old, new))

    def metrics(self) -> dict:
        """The pipeline's metrics."""
        return json.loads((self.folder / "reports" / "metrics.json").read_text())


@pytest.fixture(scope="module")
def pipeline(project: Path, warm_python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("scratch") / "a path with spaces"
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=project, capture_output=True, text=True, check=True
    )
    compiled = [str(path.relative_to(project)) for path in project.glob(f"{TRACING}*.nb?")]
    for name in filter(None, [*listed.stdout.split("\0"), *compiled]):
        if (project / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / name, folder / name)
    (folder / "conf" / "local").mkdir()
    (folder / "conf" / "local" / "default.yaml").write_text(LOCAL)
    scratch = Project(folder, warm_python.folder)
    scratch.run("git", "init", "-q")
    scratch.run("git", "add", "-A")
    scratch.run("git", "commit", "-qm", "scratch")
    scratch.run("dvc", "repro", "-q")
    return scratch


def test_pipeline_ends_with_a_chosen_checkpoint_and_its_scores(pipeline: Project) -> None:
    assert (pipeline.folder / "models" / "best.ckpt").is_file()
    assert 0 <= pipeline.metrics()["weighted_f1"] <= 1
    assert "weighted" in pipeline.run("python", "-m", "static_gesture_classification.evaluation.summary")


def test_second_repro_looks_at_the_sources_and_runs_nothing_else(pipeline: Project) -> None:
    assert pipeline.stages_run(pipeline.run("dvc", "repro")) == ["sources"]


def test_changed_learning_rate_retrains_but_makes_no_crops(pipeline: Project) -> None:
    pipeline.edit("conf/local/default.yaml", "epochs: 1,", "epochs: 1, lr: 0.0123,")
    ran = pipeline.stages_run(pipeline.run("dvc", "repro"))
    assert [stage for stage in ran if stage != "sources"] == ["compose", "train", "evaluate", "promote", "plan"]


def test_new_recording_is_taken_in_and_only_it_is_decoded(pipeline: Project, photographs: Path) -> None:
    shutil.copytree(photographs / "recorded_legacy" / "record_2", pipeline.folder / "data/raw/recorded_legacy/record_2")
    output = pipeline.run("dvc", "repro")
    ran = pipeline.stages_run(output)
    assert ran[:3] == ["sources", "index", "crops"]
    assert ran[-1] == "plan"
    report = json.loads((pipeline.folder / "data/crops/report.json").read_text())
    assert report["samples"] > 160
    images = len(list((photographs / "recorded_legacy" / "record_2" / "images").iterdir()))
    assert f"{images:,} images" in output


@pytest.mark.full
def test_experiment_with_another_model_runs_from_training_on(pipeline: Project) -> None:
    output = pipeline.run("dvc", "exp", "run", "-S", "model.name=test_resnet", "-S", "loss=focal")
    assert pipeline.stages_run(output)[:2] == ["sources", "train"]
    record = json.loads((pipeline.folder / "models" / "trained.json").read_text())
    assert "test_resnet" in json.dumps(record)
    assert pipeline.stages_run(pipeline.run("dvc", "repro")) == ["sources"]


def test_metrics_of_two_states_can_be_compared(pipeline: Project) -> None:
    assert "weighted_f1" in pipeline.run("dvc", "metrics", "diff", "--all")
    pipeline.run("dvc", "plots", "show", "-o", "plots")
    assert (pipeline.folder / "plots" / "index.html").is_file()


def test_a_new_dataset_is_its_two_files_and_a_change_of_its_data_is_seen(pipeline: Project, project: Path) -> None:
    new, data = project / "tests/sources/added", pipeline.folder / "data/raw/portraits"
    shutil.copy(new / "conf/sources/portraits.yaml", pipeline.folder / "conf/sources")
    shutil.copy(new / "portraits.py", pipeline.folder)
    data.mkdir()
    Image.new("RGB", (40, 40)).save(data / "thumb-anna-1.png")
    indexed = pipeline.folder / "data/index/report.json"

    assert pipeline.stages_run(pipeline.run("dvc", "repro", "index"))[-2:] == ["sources", "index"]
    assert json.loads(indexed.read_text())["sources"]["portraits"]["rows"] == 1
    assert pipeline.stages_run(pipeline.run("dvc", "repro", "index")) == ["sources"]
    Image.new("RGB", (40, 50)).save(data / "thumb-anna-2.png")
    assert pipeline.stages_run(pipeline.run("dvc", "repro", "index")) == ["sources", "index"]
    assert json.loads(indexed.read_text())["sources"]["portraits"]["rows"] == 2


@pytest.fixture(params=["a folder", "S3"])
def remote(pipeline: Project, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """The default remote of the project: a folder, or a bucket of a server on this machine; empty."""
    pipeline.run("git", "add", "-A")
    pipeline.run("git", "commit", "-qm", "results", "--allow-empty")
    if request.param == "a folder":
        pipeline.run("dvc", "remote", "add", "-f", "-d", "store", str(tmp_path / "store"))
        yield
        return
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as bucket:
        pytest.importorskip("dvc_s3", reason="dvc-s3 is not installed (pip install -e '.[s3]')")
        pipeline.run("dvc", "remote", "add", "-f", "-d", "store", f"{bucket}/dvc")
        keys = {"endpointurl": "AWS_ENDPOINT_URL", "access_key_id": "AWS_ACCESS_KEY_ID"}
        keys |= {"secret_access_key": "AWS_SECRET_ACCESS_KEY", "region": "AWS_DEFAULT_REGION"}
        for name, variable in keys.items():
            pipeline.run("dvc", "remote", "modify", "store", name, os.environ[variable])
        yield


@pytest.mark.full
def test_results_travel_by_a_remote_and_the_model_by_its_name(pipeline: Project, remote: None, tmp_path: Path) -> None:
    pipeline.run("git", "commit", "-qam", "a remote")
    pipeline.run("git", "tag", "-f", "-a", "gesture-classifier@v1.0.0", "-m", "first")
    pipeline.run("dvc", "push")
    pipeline.run("git", "clone", "-q", str(pipeline.folder), str(tmp_path / "second"))
    second = Project(tmp_path / "second", Path(pipeline.environment["PATH"].split(os.pathsep)[0]))
    second.run("dvc", "pull")
    for name in ("models/best.ckpt", "data/index/samples.parquet", "reports/metrics.json"):
        assert (second.folder / name).read_bytes() == (pipeline.folder / name).read_bytes()
    out = str(tmp_path / "fetched.ckpt")
    second.run("dvc", "artifacts", "get", str(pipeline.folder), "gesture-classifier", "--rev", "v1.0.0", "-o", out)
    assert Path(out).read_bytes() == (pipeline.folder / "models/best.ckpt").read_bytes()


@pytest.mark.full
def test_queued_experiment_runs_in_a_copy_with_this_machines_settings(pipeline: Project) -> None:
    pipeline.run("git", "add", "-A")
    pipeline.run("git", "commit", "-qm", "results", "--allow-empty")
    queued = ("dvc", "exp", "run", "--queue", "-C", "params.yaml", "-C", "conf/local", "-n", "quicker")
    pipeline.run(*queued, "-S", "train_hyperparams.lr=0.002")
    # Its worker is a process of its own, which a forked interpreter does not start.
    pipeline.run(sys.executable, "-m", "dvc", "exp", "run", "--run-all")
    assert "quicker" in pipeline.run("dvc", "exp", "list")
    pipeline.run("dvc", "exp", "apply", "quicker")
    assert "lr: 0.002" in (pipeline.folder / "dvc.lock").read_text()
