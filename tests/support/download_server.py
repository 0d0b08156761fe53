"""A real HTTP server for downloads, with the bad habits of real ones: it cuts, forgets, lies, changes its mind."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PIECE = 4096


@dataclass
class Published:
    """A file on the server. Of `cuts` and `statuses` each request takes the first, until none are left."""

    body: bytes
    ranges: bool = True
    if_range: bool = True  # False: serves a range of the new version to one who has the old
    tag: bool = True  # sends an ETag
    declared: bool = True  # sends a Content-Length
    cuts: list[int] = field(default_factory=list)  # bytes after which the connection is cut
    statuses: list[int] = field(default_factory=list)  # answered instead of the file
    pause: float = 0.0  # seconds after each piece

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha1(self.body).hexdigest()[:12]}"'


class Server(ThreadingHTTPServer):
    """`files` maps paths to what is published; `requests` lists (path, Range header), `pieces` counts what was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Published] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.pieces = 0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def publish(self, path: str, body: bytes, **habits: Any) -> str:
        """Publish `body` at `path`; returns its URL."""
        self.files[path] = Published(body, **habits)
        return f"{self.address}{path}"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def asked(self, path: str) -> list[str | None]:
        """The Range headers of all requests for `path`."""
        return [header for asked, header in self.requests if asked == path]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is nothing to print."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path = self.path
        self.server.requests.append((path, self.headers.get("Range")))
        published = self.server.files.get(path)
        if published is None:
            self.send_error(404)
            return
        if published.statuses:
            self.send_response(published.statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, end, partial = self.asked_range(published)
        if start >= len(published.body) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(published.body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(published.body)}")
        if published.tag:
            self.send_header("ETag", published.etag)
        if published.declared:
            self.send_header("Content-Length", str(end - start))
        self.end_headers()
        self.send_body(published, published.body[start:end])

    def asked_range(self, published: Published) -> tuple[int, int, bool]:
        size = len(published.body)
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match is None or not published.ranges:
            return 0, size, False
        condition = self.headers.get("If-Range")
        if condition and published.if_range and condition != published.etag:
            return 0, size, False
        return int(match[1]), min(int(match[2]) + 1, size) if match[2] else size, True

    def send_body(self, published: Published, body: bytes) -> None:
        cut = published.cuts.pop(0) if published.cuts else len(body)
        for begin in range(0, min(cut, len(body)), PIECE):
            self.wfile.write(body[begin : min(begin + PIECE, cut)])
            self.wfile.flush()
            self.server.pieces += 1
            time.sleep(published.pause)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""
