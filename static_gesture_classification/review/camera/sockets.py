"""The websockets of pages with a camera. One recording at a time: a second page is told so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from fastapi import FastAPI, WebSocket

from static_gesture_classification.errors import UserError
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.review.camera.link import Link
from static_gesture_classification.review.camera.recording import record_on_page, record_what
from static_gesture_classification.review.review import Review

RECORD = "/record/camera"
PATIENCE = 3.0  # seconds in which the recording of a page that was just reloaded ends
BUSY = "Another page is recording already. End that recording first, or close its page; then try again."


def serve(review: Review, app: FastAPI) -> None:
    """Answer the pages with a camera."""
    recording = threading.Lock()

    @app.websocket(RECORD)
    async def record(socket: WebSocket) -> None:
        def work(link: Link) -> None:
            settings = record_what(RecordingSettings.from_config(review.config), socket.query_params)
            one_at_a_time(recording, partial(record_on_page, settings), link)

        await socket.accept()
        await Link().serve(socket, work)


def one_at_a_time(seat: threading.Lock, work: Callable[[Link], None], link: Link) -> None:
    """`work(link)`, unless another page does it. Raises `UserError` where one does."""
    if not seat.acquire(timeout=PATIENCE):
        raise UserError(BUSY)
    try:
        work(link)
    finally:
        seat.release()
