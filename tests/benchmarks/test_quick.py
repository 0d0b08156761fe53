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


def test_what_would_not_end_in_time_is_left_out_and_said_and_a_failure_is_the_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []

    def run(name: str) -> tuple[float, int]:
        ran.append(name)
        return 100.0, int(name == "slow")

    monkeypatch.setattr(quick, "QUICK", {"slow": ("a", 1), "long": ("b", quick.LIMIT + 1), "last": ("c", 1)})
    monkeypatch.setattr(quick, "run", run)
    monkeypatch.setattr(sys, "argv", ["quick.py"])
    with pytest.raises(SystemExit) as ended:
        quick.main()
    assert (ran, ended.value.code) == (["slow", "last"], 1)
    assert "python benchmarks/quick.py long" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["quick.py", "long"])
    with pytest.raises(SystemExit) as ended:
        quick.main()
    assert (ran[-1], ended.value.code) == ("long", 0)
