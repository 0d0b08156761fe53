"""Files of run folders by address: pictures at /runs/<run>/pictures/<field>, others at /runs/<run>/files/<name>.

Run, field and name are looked up, and never a path.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse

from static_gesture_classification.errors import UserError
from static_gesture_classification.review import known_runs
from static_gesture_classification.review.review import Review
from static_gesture_classification.tracking.dashboards import PICTURE_TYPES, other_files, run_pictures


def address_of(run: str, field: str) -> str:
    """The address of a picture."""
    return f"{known_runs.address_of(run)}/pictures/{quote(field)}"


def file_address(run: str, name: str) -> str:
    """The address of a file."""
    return f"{known_runs.address_of(run)}/files/{quote(name)}"


def serve(review: Review, app: FastAPI) -> None:
    """Answer requests for pictures and files."""
    known: dict[str, dict[str, Path]] = {}  # of the runs that were asked for, so that a page of 40 looks once

    @app.get("/runs/{run}/pictures/{field:path}")
    def picture(run: str, field: str) -> Response:
        path = known.get(run, {}).get(field)
        if path is None or not path.is_file():
            try:
                known[run] = run_pictures(known_runs.find(run, review).folder.files())
            except UserError:
                return Response(status_code=404)
            path = known[run].get(field)
        if path is None:
            return Response(status_code=404)
        return FileResponse(
            path, media_type=PICTURE_TYPES[path.suffix], headers={"cache-control": "private, max-age=60"}
        )

    @app.get("/runs/{run}/files/{name:path}")
    def file(run: str, name: str) -> Response:
        try:
            path = other_files(known_runs.find(run, review).folder).get(name)
        except UserError:
            return Response(status_code=404)
        if path is None:
            return Response(status_code=404)
        return FileResponse(path, media_type="application/octet-stream", filename=path.name)
