"""Consoles of another encoding, and names that look like markup."""

import ast
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from static_gesture_classification.progress import console, print_anything

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


def test_command_with_cyrillic_names_ends_well_on_a_western_console(tmp_path: Path) -> None:
    photos = tmp_path / "фото"
    (photos / "кулак").mkdir(parents=True)
    Image.new("RGB", (9, 6)).save(photos / "кулак" / "один.png")
    settings = ["sources=[folder]", f"sources.folder.root={photos}", f"paths.index={tmp_path}/индекс"]
    command = [sys.executable, "-m", "static_gesture_classification.preparation.index", *settings]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(
        [*command, "gestures.names=[кулак,FIST]", "gestures.background=null"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        encoding="cp1252",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\u043a\u0443\u043b\u0430\u043a" in done.stdout
    assert (tmp_path / "индекс/samples.parquet").is_file()
