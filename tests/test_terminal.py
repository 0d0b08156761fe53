"""Consoles of another encoding, and names that look like markup."""

import ast
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from rich.table import Column
from rich.text import Text

from static_gesture_classification.terminal import Table, console, print_anything

PROJECT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437", "utf-8"])
def test_console_of_any_encoding_shows_any_name(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding))
    print_anything()
    console.print("кулак 手 \udcff", markup=False)
    sys.stdout.flush()
    shown = out.getvalue().decode(encoding)
    assert shown == (
        "кулак 手 \\udcff\n" if encoding == "utf-8" else "\\u043a\\u0443\\u043b\\u0430\\u043a \\u624b \\udcff\n"
    )


def test_command_shows_cyrillic_names_and_brackets_on_a_western_console(tmp_path: Path) -> None:
    photos = tmp_path / "фото"
    for number, gesture in enumerate(("кулак", "[x]", "[bold]")):
        (photos / gesture).mkdir(parents=True)
        Image.new("RGB", (9, 6 + number)).save(photos / gesture / "один.png")
    settings = ["sources=[folder]", f"sources.folder.root={photos}", f"paths.index={tmp_path}/индекс"]
    command = [sys.executable, "-m", "static_gesture_classification.preparation.index", *settings]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(
        [
            *command,
            "gestures.names=[кулак,'[x]','[bold]','[red]']",
            "gestures.background=null",
            "~sources.folder.labels",
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        encoding="cp1252",
    )
    assert done.returncode == 0
    assert done.stderr.startswith("warning: no sample shows [red]")
    assert done.stderr.count("\n") == 1
    for shown in (r"\u043a\u0443\u043b\u0430\u043a ", "|[x] ", "|[bold] "):
        assert shown in done.stdout
    assert (tmp_path / "индекс/samples.parquet").is_file()


def test_table_shows_names_as_they_are() -> None:
    table = Table("[bold]", Column("[x]"), title="[red] a\\")
    table.add_column("[/]")
    table.add_row("[x]", Text("styled", style="bold"), "[bold]b[/]")
    with console.capture() as captured:
        console.print(table)
    shown = captured.get()
    for text in ("[red] a\\", "[bold]", "[x]", "[/]", "styled", "[bold]b[/]"):
        assert text in shown


NUMBERS = re.compile(r"[defg%,]$")  # ends of a format that only numbers have
SAFE_CALLS = {"escape", "len", "sum", "headline"}  # headline: numbers with markup of its own
SAFE_NAMES = {"word", "role", "split"}  # chosen from a few in the code


def is_safe(part: ast.expr) -> bool:
    """Whether a part of a message cannot hold markup that comes from data."""
    if isinstance(part, ast.FormattedValue):
        spec = "".join(ast.unparse(part.format_spec)[2:-1]) if part.format_spec is not None else ""
        return bool(NUMBERS.search(spec)) or is_safe(part.value)
    if isinstance(part, ast.JoinedStr):
        return all(map(is_safe, part.values))
    if isinstance(part, ast.IfExp):
        return is_safe(part.body) and is_safe(part.orelse)
    if isinstance(part, ast.Call):
        return getattr(part.func, "id", "") in SAFE_CALLS
    if isinstance(part, ast.Name):
        return part.id in SAFE_NAMES or part.id.isupper()
    return isinstance(part, ast.Constant)


def messages_with_data(file: Path) -> list[str]:
    """Printed f-strings in which data could be taken for markup."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) in ("console.print", "errors.print")):
            continue
        if any(keyword.arg == "markup" for keyword in node.keywords):
            continue
        unsafe = [part for part in node.args if isinstance(part, ast.JoinedStr) and not is_safe(part)]
        found += [f"{file.name}:{node.lineno}: {ast.unparse(part)}" for part in unsafe]
    return found


def test_no_message_takes_data_for_markup() -> None:
    """Values in a message are escaped, or the message has no markup: `markup=False`."""
    files = [*PROJECT.glob("static_gesture_classification/**/*.py"), *PROJECT.glob("*.py")]
    assert [message for file in files for message in messages_with_data(file)] == []
