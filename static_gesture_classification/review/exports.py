"""Checkpoints as ONNX files to download: made by a job of `gestures export-onnx`, each in a folder of its own.

A file's name holds the beginning of its checkpoint's hash, so a file is never taken for one of another checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse

from static_gesture_classification.deployment.model_card import CARD
from static_gesture_classification.errors import UserError
from static_gesture_classification.file_state import file_state
from static_gesture_classification.inference.onnx_classifier import SUFFIX
from static_gesture_classification.review.jobs import Job, Jobs
from static_gesture_classification.training.checkpoint import checkpoint_digest

ADDRESS = "/checkpoints/onnx"
FOLDER = "exports"
KIND = "export-onnx"
DIGITS = 12  # of the checkpoint's hash


@dataclass(frozen=True)
class Exports:
    """The exported files.

    Args:
        folder: of them, one folder for each.
        jobs: that make them.
    """

    folder: Path
    jobs: Jobs

    def name_of(self, title: str, checkpoint: Path) -> str:
        """The name of a checkpoint's file; `title` says which it is, to people. Raises `UserError` if it is gone."""
        digest = _digest(checkpoint, file_state(checkpoint))
        if digest is None:
            raise UserError(f"there is no {checkpoint} any more; reload the page")
        return f"{title}-{digest[:DIGITS]}{SUFFIX}"

    def file(self, name: str) -> Path | None:
        """An exported file by its name; None where there is none."""
        return {path.name: path for path in self.folder.glob(f"*/*{SUFFIX}")}.get(name)

    def card(self, name: str) -> str | None:
        """The model card of an exported file, without its header for machines; None where there is none."""
        file = self.file(name)
        path = None if file is None else file.with_name(CARD)
        if path is None or not path.is_file():
            return None
        text = path.read_text(encoding="utf-8")
        return text.split("\n---\n", 1)[-1] if text.startswith("---\n") else text

    def job(self, name: str) -> Job | None:
        """The last job that makes, or made, this file."""
        return next(
            (job for job in self.jobs.all() if job.kind == KIND and job.record["about"].get("file") == name), None
        )

    def start(self, name: str, checkpoint: Path) -> Job:
        """Begin to make the file. Raises `UserError` where another export is at work."""
        output = self.folder / name.removesuffix(SUFFIX) / name
        overrides = [f"export_onnx.checkpoint={checkpoint}", f"export_onnx.output={output}"]
        return self.jobs.start(f"Export {name}", KIND, overrides, {"file": name})

    def serve(self, app: FastAPI) -> None:
        """Answer downloads."""

        @app.get(ADDRESS + "/{name}")
        def download(name: str) -> Response:
            path = self.file(name)
            if path is None:
                return Response(status_code=404)
            return FileResponse(path, media_type="application/octet-stream", filename=path.name)


@lru_cache(maxsize=512)
def _digest(checkpoint: Path, state: tuple[int, int]) -> str | None:
    return checkpoint_digest(checkpoint)
