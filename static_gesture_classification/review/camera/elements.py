"""The elements of the page that show the browser's camera; their code in the browser lies beside this file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nicegui import ui
from nicegui.element import Element

STYLE = Path(__file__).parent / "camera.css"


class CameraElement(Element):
    """The browser's camera, linked to a websocket of this server.

    Args:
        path: of the websocket.
        size: width and height to ask the camera for, in pixels.
        rate: pictures a second at most.
        mirror: whether the picture is shown as in a mirror.
    """

    def __init__(self, path: str, size: Sequence[int], rate: float, mirror: bool) -> None:
        super().__init__()
        ui.add_css(STYLE)
        self._props.update(path=path, size=list(size), rate_wanted=rate, mirror=mirror)
        self.classes("w-full")

    def start(self, query: str) -> Any:
        """Open the camera, and the websocket with this query, `?...` or ""."""
        return self.run_method("start", query)


class RecorderView(CameraElement, component="recorder.js", esm={"gestures-camera": "gestures_camera"}):
    """The recorder: it shows what `recorder_face` sends, and sends keys. It emits `over` with the last state."""


class LiveView(CameraElement, component="live.js", esm={"gestures-camera": "gestures_camera"}):
    """The live view: it shows what `live_face` sends, and sends keys. It emits `over` with the last state."""


class TryView(Element, component="tryout.js", esm={"gestures-camera": "gestures_camera"}):
    """A place for a picture or a video to try the model on. It emits `kept` when an error was kept.

    Args:
        path: to which the file is posted.
        wrong_path: to which is posted what was wrong.
        gestures: that may have been meant.
        largest: MB of a file.
    """

    def __init__(self, path: str, wrong_path: str, gestures: Sequence[str], largest: float) -> None:
        super().__init__()
        ui.add_css(STYLE)
        self._props.update(path=path, wrong_path=wrong_path, gestures=list(gestures), largest=largest)
        self.classes("w-full")
