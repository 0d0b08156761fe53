"""What pages with a camera ask the server for: their websockets, and trying a picture.

One recording at a time, and one live view: a second page is told so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect, HTTPConnection

from static_gesture_classification.detection.detector import DetectorSettings
from static_gesture_classification.errors import UserError
from static_gesture_classification.live.settings import LiveSettings
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.review import frame
from static_gesture_classification.review.camera.link import Link
from static_gesture_classification.review.camera.recording import record_on_page, record_what
from static_gesture_classification.review.camera.trying import Trial, catching
from static_gesture_classification.review.camera.watching import watch_on_page
from static_gesture_classification.review.gate import is_loopback
from static_gesture_classification.review.review import Review

RECORD, LIVE = "/record/camera", "/live/camera"
TRY, WRONG = "/live/try", "/live/wrong"
ON = "1"
PATIENCE = 3.0  # seconds in which the recording of a page that was just reloaded ends
BUSY = "Another page uses the camera for this already. End that first, or close its page; then try again."


def serve(review: Review, app: FastAPI) -> None:
    """Answer the pages with a camera."""
    _serve_recording(review, app)
    _serve_live(review, app)
    _serve_trying(review, app)


def _serve_recording(review: Review, app: FastAPI) -> None:
    seat = threading.Lock()

    @app.websocket(RECORD)
    async def record(socket: WebSocket) -> None:
        def work(link: Link) -> None:
            settings = record_what(RecordingSettings.from_config(review.config), socket.query_params)
            one_at_a_time(seat, partial(record_on_page, settings, _is_elsewhere(socket)), link)

        await socket.accept()
        await Link().serve(socket, work)


def _serve_live(review: Review, app: FastAPI) -> None:
    seat = threading.Lock()

    @app.websocket(LIVE)
    async def live(socket: WebSocket) -> None:
        def work(link: Link) -> None:
            settings = catching(LiveSettings.from_config(review.config), _is_elsewhere(socket))
            catch = socket.query_params.get("catch") == ON
            one_at_a_time(seat, partial(watch_on_page, settings, catch), link)

        await socket.accept()
        await Link().serve(socket, work)


def _serve_trying(review: Review, app: FastAPI) -> None:
    trial = Trial(LiveSettings.from_config(review.config), DetectorSettings.from_config(review.config))

    @app.post(TRY)
    async def look(request: Request) -> JSONResponse:
        try:
            data = await request.body()
        except ClientDisconnect:  # the gate ends what is too large
            return JSONResponse({"problem": f"at most {review.settings.largest_upload:g} MB are read"}, 413)
        return await _answer(trial.look, data)

    @app.post(WRONG)
    async def wrong(
        request: Request,
        picture: Annotated[str, Body()],
        hand: Annotated[int, Body()],
        gesture: Annotated[str, Body()],
    ) -> JSONResponse:
        return await _answer(lambda: {"said": trial.wrong(picture, hand, gesture, _is_elsewhere(request))})


async def _answer(do: Callable[..., dict[str, Any]], *arguments: Any) -> JSONResponse:
    """What `do` gives; a user error as a problem in words."""
    try:
        return JSONResponse(await frame.in_thread(do, *arguments))
    except UserError as error:
        return JSONResponse({"problem": str(error)})


def _is_elsewhere(connection: HTTPConnection) -> bool:
    """Whether a page is open on another machine."""
    client = connection.client
    return not is_loopback(None if client is None else (client.host, client.port))


def one_at_a_time(seat: threading.Lock, work: Callable[[Link], None], link: Link) -> None:
    """`work(link)`, unless another page does it. Raises `UserError` where one does."""
    if not seat.acquire(timeout=PATIENCE):
        raise UserError(BUSY)
    try:
        work(link)
    finally:
        seat.release()
