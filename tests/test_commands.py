"""One table of commands: each can be run, explains its settings, and is called by that name in all texts."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from static_gesture_classification.__main__ import main
from static_gesture_classification.command_help import settings_in
from static_gesture_classification.command_line import as_typed
from static_gesture_classification.commands import COMMANDS, choose_command, command_of, commands
from static_gesture_classification.configuration import CONF, show_help_of

NAMED = re.compile(r"(?<![\w/])gestures ([a-z][a-z-]+)(?=[ `\"'\n).,;:#]|$)")
TEXTS = ("*.md", "docs/*.md", "Makefile", "conf/**/*.yaml", "static_gesture_classification/**/*.py")


@pytest.mark.parametrize("name", commands())
def test_a_command_is_the_main_of_its_module(project: Path, name: str) -> None:
    module = commands()[name].module
    text = (project / (module.replace(".", "/") + ".py")).read_text()
    tree = ast.parse(text)
    assert text.endswith('\n\n\nif __name__ == "__main__":\n    main()\n'), "python -m MODULE would do nothing"
    (function,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    assert "entry_point" in [ast.unparse(decorator) for decorator in function.decorator_list]
    assert command_of(module) == commands()[name]


def test_every_main_is_in_the_table(project: Path) -> None:
    package = project / "static_gesture_classification"
    stages = [path for path in package.rglob("*.py") if "\n@entry_point\ndef main" in path.read_text()]
    modules = {".".join(path.relative_to(project).with_suffix("").parts) for path in stages}
    assert modules <= {command.module for command in commands().values()}


def test_texts_call_commands_by_their_names(project: Path) -> None:
    unknown = {
        f"{path.relative_to(project)}: gestures {name}"
        for pattern in TEXTS
        for path in project.glob(pattern)
        for block in code_in(path)
        for name in NAMED.findall(block)
        if name not in commands()
    }
    assert not unknown


def code_in(path: Path) -> list[str]:
    """Where a text names commands: code of Markdown, all of the rest in which `gestures` begins a line or a quote."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
    return re.findall(r"^\s*#? {1,4}gestures [^\n]*|[`\"]gestures [^`\"\n]*", text, re.MULTILINE)


def test_export_of_a_checkpoint_is_export_onnx(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gestures", "export", "checkpoint=best.ckpt", "--help"])
    main()
    assert capsys.readouterr().out.startswith("gestures export-onnx ")
    assert choose_command("export", ["output=checkpoint"]) == commands()["export"]


def test_alone_it_shows_all_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["gestures"])
    main()
    shown = capsys.readouterr().out
    for title, group in COMMANDS.items():
        assert title in shown
        for command in group:
            assert re.search(rf"^  {command.name} +{command.purpose}$", shown, re.MULTILINE)


def test_a_mistyped_command_is_told_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gestures", "pedict"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "did you mean `gestures predict`?" in capsys.readouterr().err


@pytest.mark.parametrize("name", commands())
def test_help_explains_each_setting_of_the_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = commands()[name]
    show_help_of(command)
    shown = capsys.readouterr().out
    assert shown.startswith(f"gestures {name} ")
    for group in command.own:
        assert re.search(rf"^{group}[. ]", shown, re.MULTILINE), f"{group} has no settings"
    for group in command.uses:
        assert re.search(rf"^{group} ", shown, re.MULTILINE)


def test_help_gives_default_and_meaning_of_a_setting() -> None:
    file = CONF / "plan" / "default.yaml"
    (budget,) = [each for each in settings_in(file, CONF, "plan") if each.name == "plan.budget"]
    assert (budget.default, budget.meaning) == ("100", "samples to record in a round")


def test_a_setting_of_the_command_needs_no_group() -> None:
    assert as_typed(["budget=5", "seed=1", "confusions.rows=3"], CONF, ("plan",)) == [
        "plan.budget=5",
        "seed=1",
        "confusions.rows=3",
    ]


def test_the_module_is_the_console_script(project: Path) -> None:
    command = [sys.executable, "-m", "static_gesture_classification"]
    shown = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True).stdout
    assert shown.startswith("gestures COMMAND")
