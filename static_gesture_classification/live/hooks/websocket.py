"""Events by websocket, as the JSON of `json_lines`, to everybody who is connected.

It listens on this machine alone unless told otherwise. A browser says which page wants to connect (its Origin): pages
of this machine may, others only if they are listed, so that no web site can watch. Programs say nothing and may.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Sequence

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.typing import Origin

from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.held_gestures import GestureEvent
from static_gesture_classification.live.hooks.hook import Hook
from static_gesture_classification.live.hooks.json_lines import as_json

OF_THIS_MACHINE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
LARGEST = 1024  # bytes of a message from a client, which is not read anyway


class Websocket(Hook):
    """Sends each event to all clients.

    Args:
        host, port: to listen on; port 0 takes a free one.
        origins: further web pages that may connect, such as https://example.org.

    Attributes:
        port: that it listens on.

    Raises:
        UserError: the port is in use, or the address is not of this machine.
    """

    name = "websocket"

    def __init__(self, host: str, port: int, origins: Sequence[str] = ()) -> None:
        super().__init__()
        self._allowed: list[Origin | re.Pattern[str] | None] = [None, OF_THIS_MACHINE, *map(Origin, origins)]
        self._loop = asyncio.new_event_loop()
        self._serving = threading.Thread(target=self._loop.run_forever, name="websocket", daemon=True)
        self._serving.start()
        try:
            self._server = asyncio.run_coroutine_threadsafe(self._listen(host, port), self._loop).result()
        except (OSError, OverflowError) as error:
            self._stop()
            raise UserError(
                f"the websocket cannot listen on {host}:{port} ({getattr(error, 'strerror', None) or error}); choose "
                "another port with live.websocket=8766, or leave it out"
            ) from error
        self.port = int(self._server.sockets[0].getsockname()[1])

    def act(self, event: GestureEvent) -> None:
        """See `Hook.act`."""
        message = as_json(event).decode()
        self._loop.call_soon_threadsafe(lambda: broadcast(self._server.connections, message))

    def close(self) -> None:
        """Close all connections and release the port."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._stop()

    async def _listen(self, host: str, port: int) -> Server:
        return await serve(
            _stay, host, port, origins=self._allowed, compression=None, max_size=LARGEST, server_header=None
        )

    async def _end(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._serving.join()
        self._loop.close()


async def _stay(client: ServerConnection) -> None:
    """Keep a client until it leaves; whatever it sends is passed over."""
    async for _ in client:
        pass
