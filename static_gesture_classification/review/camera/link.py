"""The link between a page with a camera and a loop in a thread: pictures and keys come in, states go out.

Over one websocket. From the browser: binary messages, four bytes of the picture's number (big endian) and a JPEG file;
text messages, JSON with `keys`, names of `recording.keys`. To the browser: JSON with a `state`, of which the newest
wins, and the `pictures` in it that are new, as data addresses by their names.
"""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from static_gesture_classification.errors import UserError
from static_gesture_classification.recording.capture.pushed_camera import PushedCamera
from static_gesture_classification.recording.keys import CLOSED
from static_gesture_classification.terminal import errors

NAME = "the browser's camera"
NUMBER_BYTES = 4
LONGEST_KEY, MOST_KEYS = 100, 500  # of a message; longer ones come from no page of ours
WENT_WRONG = "This went wrong here. The terminal that runs `gestures app` says what; please report it."


class Link:
    """One page's camera, its keys, and what it is shown. `serve` runs in the event loop, all else in a thread."""

    def __init__(self) -> None:
        self.camera = PushedCamera(NAME)
        self.gone = threading.Event()  # the page was closed
        self._keys: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._state: dict[str, Any] | None = None
        self._pictures: dict[str, bytes] = {}
        self._known: set[str] = set()
        self._said = ""
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._over = False

    # For the thread

    def keys(self, wait: float) -> list[str]:
        """The keys since the last call, after up to `wait` seconds; at the end `CLOSED`, if the page is gone."""
        pressed: list[str] = []
        with suppress(queue.Empty):
            pressed.append(self._keys.get(timeout=wait))
            while True:
                pressed.append(self._keys.get_nowait())
        return [*pressed, CLOSED] if self.gone.is_set() else pressed

    def has(self, name: str) -> bool:
        """Whether the page has the picture of this name."""
        return name in self._known

    def say(self, state: dict[str, Any], pictures: Mapping[str, bytes] = {}) -> None:
        """Show a state; one that was not sent yet is replaced.

        Args:
            state: as JSON.
            pictures: JPEG files that the state names and the page does not have yet.
        """
        with self._lock:
            self._state = state
            self._pictures |= pictures
            self._known |= set(pictures)
        self._tell()

    # For the event loop

    async def serve(self, socket: WebSocket, work: Callable[[Link], None]) -> None:
        """Run `work` in a thread until it or the page ends."""
        thread = threading.Thread(target=self._work, args=(work,), name="camera page", daemon=True)
        thread.start()
        receiving = asyncio.create_task(self._receive(socket))
        try:
            with suppress(WebSocketDisconnect, RuntimeError):  # RuntimeError: it was closed while something was sent
                await self._send(socket)
        finally:
            self._close()
            receiving.cancel()
            await asyncio.get_running_loop().run_in_executor(None, thread.join)
        with suppress(WebSocketDisconnect, RuntimeError):
            await socket.close()

    def _work(self, work: Callable[[Link], None]) -> None:
        try:
            work(self)
        except UserError as error:
            self.say({"screen": "problem", "text": str(error)})
        except Exception:  # the server goes on; the terminal has the rest
            errors.print_exception()
            self.say({"screen": "problem", "text": WENT_WRONG})
        finally:
            self._over = True
            self._tell()

    def _tell(self) -> None:
        with suppress(RuntimeError):  # the server stops, and its loop with it
            self._loop.call_soon_threadsafe(self._news.set)

    def _close(self) -> None:
        self.gone.set()
        self.camera.end()

    async def _receive(self, socket: WebSocket) -> None:
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                data = message.get("bytes")
                if data is not None and len(data) > NUMBER_BYTES:
                    self.camera.give(int.from_bytes(data[:NUMBER_BYTES], "big"), data[NUMBER_BYTES:])
                elif message.get("text") is not None:
                    for key in _keys_in(message["text"]):
                        self._keys.put(key)
        finally:
            self._close()
            self._news.set()

    async def _send(self, socket: WebSocket) -> None:
        while not (self.gone.is_set() and self._over):
            await self._news.wait()
            self._news.clear()
            over = self._over
            with self._lock:
                state, pictures = self._state, self._pictures
                self._state, self._pictures = None, {}
            if state is not None and not self.gone.is_set():
                await self._put(socket, state, pictures)
            if over:
                return

    async def _put(self, socket: WebSocket, state: dict[str, Any], pictures: Mapping[str, bytes]) -> None:
        message: dict[str, Any] = {"state": state}
        if pictures:
            message["pictures"] = {name: _data_address(jpeg) for name, jpeg in pictures.items()}
        text = json.dumps(message)
        if text != self._said:
            self._said = text
            await socket.send_text(text)


def _keys_in(text: str) -> list[str]:
    """The keys in a message; none in one that no page of ours sends."""
    try:
        keys = json.loads(text)["keys"]
    except (ValueError, TypeError, KeyError):
        return []
    if not isinstance(keys, list) or len(keys) > MOST_KEYS:
        return []
    return [key for key in keys if isinstance(key, str) and 0 < len(key) <= LONGEST_KEY]


def _data_address(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
