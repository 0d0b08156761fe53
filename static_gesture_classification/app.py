"""The local page: `gestures app`, then open the address that it prints (docs/review.md).

It listens on this machine alone, unless `review.share_on_lan=true`; `gate` says who may come in.
"""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Sequence

import uvicorn
from fastapi import FastAPI, Request
from omegaconf import DictConfig

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.review.gate import Gate
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.settings import ANY_ADDRESS, LOOPBACK, ReviewSettings
from static_gesture_classification.review.sharing import WARNING, Sharing
from static_gesture_classification.terminal import say

MESSAGE_BYTES = 20_000_000  # of a websocket message: a camera's picture


@entry_point
def main(config: DictConfig) -> None:
    """Serve the page until Ctrl-C."""
    settings = ReviewSettings.from_config(config)
    own = listen(settings.own_address, settings.port, "review.port=8081")
    shared, sharing = share_on_lan(settings) if settings.share_on_lan else (None, None)
    review = Review.from_config(config, sharing)
    hosts = LOOPBACK if sharing is None else (*LOOPBACK, *sharing.hosts)
    token = None if sharing is None else sharing.token
    gate = Gate(build_app(review), hosts, token, int(settings.largest_upload * 1e6))
    server = Server(f"http://127.0.0.1:{own.getsockname()[1]}/", settings.browser, gate)
    if sharing is None or shared is None:
        server.run(sockets=[own])
        return
    server.beside = LanServer(gate, sharing)
    server.run(sockets=[own, shared])


def share_on_lan(settings: ReviewSettings) -> tuple[socket.socket, Sharing]:
    """A socket for other machines, and how they reach it."""
    listening = listen(settings.lan_address, settings.lan_port, "review.lan_port=8444")
    host = None if settings.lan_address == ANY_ADDRESS else settings.lan_address
    return listening, Sharing.open(settings.folder, host, listening.getsockname()[1])


def listen(address: str, port: int, other: str) -> socket.socket:
    """A socket at an address. Raises `UserError` where it is taken; `other` is a setting that chooses another port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
    except OSError as error:
        listening.close()
        raise UserError(
            f"cannot listen at {address}:{port} ({error.strerror}); if the page is open already, use "
            f"that one, or choose another port: {other}"
        ) from None
    return listening


def build_app(review: Review) -> FastAPI:
    """The application with all pages."""
    # NiceGUI reads it when it is imported, and would else make a folder of its own.
    os.environ["NICEGUI_STORAGE_PATH"] = str(review.settings.folder / "browser")
    from nicegui import ui

    from static_gesture_classification.review import exports, frame, large_pictures, run_files, thumbnails
    from static_gesture_classification.review.camera import sockets
    from static_gesture_classification.review.frame import Page
    from static_gesture_classification.review.pages import PAGES

    app = FastAPI(title="Gestures", docs_url=None, redoc_url=None, openapi_url=None)

    def register(page: Page, pages: Sequence[Page]) -> None:
        @ui.page(page.address, response_timeout=60)
        async def shown(request: Request) -> None:
            await frame.show(page, pages, review)

    thumbnails.serve(review.thumbnails, app)
    run_files.serve(review, app)
    exports.Exports(review.settings.folder / exports.FOLDER, review.jobs).serve(app)
    large_pictures.serve(review.thumbnails, app)
    sockets.serve(review, app)
    for page in PAGES:
        register(page, PAGES)
    warnings.filterwarnings("ignore", "`torch.distributed.reduce_op`", FutureWarning)  # NiceGUI looks at all objects
    ui.run_with(app, title="Gestures", dark=None, show_welcome_message=False, reconnect_timeout=10, favicon="✋")
    return app


class Server(uvicorn.Server):
    """A server that says where it is once it answers, and opens the page.

    Attributes:
        beside: serves other machines, at the last of the sockets; None without.
    """

    def __init__(self, address: str, browser: bool, app: Gate) -> None:
        super().__init__(
            uvicorn.Config(app, log_level="warning", lifespan="on", ws_max_size=MESSAGE_BYTES, server_header=False)
        )
        self.address, self.browser = address, browser
        self.beside: LanServer | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        own = sockets if self.beside is None or sockets is None else sockets[:-1]
        await super().startup(own)
        if not self.started:
            return
        say(f"{self.address}  (Ctrl-C ends it; training that was started there goes on)")
        if self.beside is not None and sockets is not None:
            await self.beside.begin(sockets[-1])
        if self.browser:
            import webbrowser

            webbrowser.open(self.address)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer no more."""
        if self.beside is not None:
            await self.beside.shutdown()
        await super().shutdown(sockets)


class LanServer(uvicorn.Server):
    """Serves other machines by https. It begins and ends with the `Server`, whose life the application follows."""

    def __init__(self, app: Gate, sharing: Sharing) -> None:
        self.sharing = sharing
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,  # as the other server's
                lifespan="off",
                ws_max_size=MESSAGE_BYTES,
                server_header=False,
                ssl_certfile=sharing.certificate,
                ssl_keyfile=sharing.key,
            )
        )

    async def begin(self, listening: socket.socket) -> None:
        """Begin to answer, and say where."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup([listening])
        say("On a phone in the same network, open this address, or its QR code:")
        say(self.sharing.links[0])
        say(self.sharing.as_text())
        say(WARNING)


if __name__ == "__main__":
    main()
