"""What `make bench` runs, and what each result says about the machine."""

import sys
from pathlib import Path

import pytest

from benchmarks import quick
from benchmarks.machine import measured_on
from benchmarks.quick import QUICK, check_names
from static_gesture_classification.errors import UserError


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_benchmark_keeps_its_result_with_date_machine_and_versions(project: Path, name: str) -> None:
    text = (project / "benchmarks" / f"{name}.py").read_text(encoding="utf-8")
    assert f'"{name}.md"' in text
    assert "measured_on(" in text


def test_the_date_and_the_machine_are_told_in_one_place(project: Path) -> None:
    own = [path.name for path in (project / "benchmarks").glob("*.py") if "date.today()" in path.read_text("utf-8")]
    assert own == ["machine.py"]


def test_a_result_names_date_processor_cores_and_versions() -> None:
    date, *_, cores, python, numpy = measured_on("numpy").split(", ")
    assert date.count("-") == 2
    assert [cores.split()[1], python.split()[0], numpy.split()[0]] == ["cores", "Python", "numpy"]


def test_an_unknown_benchmark_is_told_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"crop is no quick benchmark; there are .*crop_speed"):
        check_names(["crop"])


def test_all_together_end_in_time_on_two_cores() -> None:
    assert sum(seconds for _, seconds in QUICK.values()) <= quick.LIMIT


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Benchmarks that take no time, on a machine where nothing else computes."""
    (tmp_path / "results").mkdir()
    for name, end in {"broken": "sys.exit(3)", "endless": "time.sleep(1000)", "good": ""}.items():
        lines = ["import sys, time, pathlib", f"pathlib.Path('results/{name}.md').write_text('new')", end]
        (tmp_path / "benchmarks" / f"{name}.py").parent.mkdir(exist_ok=True)
        (tmp_path / "benchmarks" / f"{name}.py").write_text("\n".join(lines))
        (tmp_path / "results" / f"{name}.md").write_text("earlier")
    (tmp_path / "benchmarks/results").symlink_to(tmp_path / "results")
    monkeypatch.setattr(quick, "BENCHMARKS", tmp_path / "benchmarks")
    monkeypatch.setattr(quick, "QUICK", dict.fromkeys(("broken", "good"), ("a thing", 0)))
    monkeypatch.setattr(quick.psutil, "cpu_percent", lambda _: 1.0)
    return tmp_path / "results"


def status_of(monkeypatch: pytest.MonkeyPatch, *names: str) -> object:
    monkeypatch.setattr(sys, "argv", ["quick.py", *names])
    with pytest.raises(SystemExit) as ended:
        quick.main()
    return ended.value.code


def test_after_a_failure_the_others_run_the_status_is_1_and_only_whole_results_are_kept(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(monkeypatch) == 1
    assert [(small / f"{name}.md").read_text() for name in ("broken", "good")] == ["earlier", "new"]
    assert "failed with status 3" in " ".join(capsys.readouterr().out.split())
    assert status_of(monkeypatch, "good") == 0


def test_on_a_busy_machine_the_earlier_result_is_kept_and_that_is_said(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quick.psutil, "cpu_percent", lambda _: 60.0)
    assert status_of(monkeypatch, "good") == 0
    assert (small / "good.md").read_text() == "earlier"
    assert "other programs took 60 %" in " ".join(capsys.readouterr().out.split())
    (small / "good.md").unlink()
    assert status_of(monkeypatch, "good") == 0
    assert (small / "good.md").read_text() == "new"


def test_a_benchmark_that_takes_longer_than_the_time_left_is_ended_and_one_that_would_is_left_out(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quick, "LIMIT", 1)
    monkeypatch.setattr(quick, "QUICK", {"endless": ("a", 0), "good": ("b", 1)})
    assert status_of(monkeypatch) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "ended, since 1 s were over" in said
    assert "python benchmarks/quick.py good" in said
    assert [(small / f"{name}.md").read_text() for name in ("endless", "good")] == ["earlier", "earlier"]
