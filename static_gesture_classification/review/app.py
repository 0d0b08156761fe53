"""The local page: `gestures app`, then open the address that it prints (docs/review.md).

It listens on this machine alone, unless `review.share_on_lan=true`; `gate` says who may come in.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

import uvicorn
from fastapi import FastAPI, Request
from omegaconf import DictConfig

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.review.gate import Gate
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.settings import LOOPBACK, ReviewSettings
from static_gesture_classification.terminal import say

MESSAGE_BYTES = 20_000_000  # of a websocket message: a camera's picture


@entry_point
def main(config: DictConfig) -> None:
    """Serve the page until Ctrl-C."""
    review = Review.from_config(config)
    listening = listen(review.settings)
    port = listening.getsockname()[1]
    app = build(review)
    gate = Gate(app, LOOPBACK, None, int(review.settings.largest_upload * 1e6))
    address = f"http://127.0.0.1:{port}/"
    server = Server(address, review.settings.browser, gate)
    server.run(sockets=[listening])


def listen(settings: ReviewSettings) -> socket.socket:
    """A socket at the address of the settings. Raises `UserError` where it is taken."""
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.address, settings.port))
    except OSError as error:
        listening.close()
        raise UserError(
            f"cannot listen at {settings.address}:{settings.port} ({error.strerror}); if the page is open already, use "
            "that one, or choose another port: review.port=8081"
        ) from None
    return listening


def build(review: Review) -> FastAPI:
    """The application with all pages."""
    # NiceGUI reads it when it is imported, and would else make a folder of its own.
    os.environ["NICEGUI_STORAGE_PATH"] = str(review.settings.folder / "browser")
    from nicegui import ui

    from static_gesture_classification.review import frame, thumbnails
    from static_gesture_classification.review.page import Page
    from static_gesture_classification.review.pages import PAGES

    app = FastAPI(title="Gestures", docs_url=None, redoc_url=None, openapi_url=None)

    def register(page: Page, pages: Sequence[Page]) -> None:
        @ui.page(page.address, response_timeout=60)
        async def shown(request: Request) -> None:
            await frame.show(page, pages, review)

    thumbnails.serve(review.thumbnails, app)
    for page in PAGES:
        register(page, PAGES)
    ui.run_with(app, title="Gestures", dark=None, show_welcome_message=False, reconnect_timeout=10, favicon="✋")
    return app


class Server(uvicorn.Server):
    """A server that says where it is once it answers, and opens the page."""

    def __init__(self, address: str, browser: bool, app: Gate) -> None:
        super().__init__(
            uvicorn.Config(app, log_level="warning", lifespan="on", ws_max_size=MESSAGE_BYTES, server_header=False)
        )
        self.address, self.browser = address, browser

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self.started:
            say(f"{self.address}  (Ctrl-C ends it; training that was started there goes on)")
            if self.browser:
                import webbrowser

                webbrowser.open(self.address)


if __name__ == "__main__":
    main()
