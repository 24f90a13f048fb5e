"""A real HTTP server on loopback that answers, lies, cuts and dawdles as it is told."""

import json
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Step = Callable[[BaseHTTPRequestHandler], None]


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent when the client hung up, as it does on a lie; all else is told."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Server:
    """Each path has steps; a request takes the next one, and the last one stays."""

    def __init__(self) -> None:
        self.steps: dict[str, list[Step]] = {}
        self.seen: dict[str, list[dict[str, str]]] = defaultdict(list)
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                server.seen[path].append(dict(self.headers))
                steps = server.steps.get(path, [status(404)])
                step = steps.pop(0) if len(steps) > 1 else steps[0]
                step(self)

            def log_message(self, *args: object) -> None:
                """Stay silent."""

        self.http = _Http(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.http.server_port}"

    def put(self, path: str, *steps: Step) -> str:
        self.steps[path] = list(steps)
        return self.base + path

    def ranges(self, path: str) -> list[str | None]:
        return [headers.get("Range") for headers in self.seen[path]]


def _head(handler: BaseHTTPRequestHandler, code: int, headers: dict[str, object]) -> None:
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name, str(value))
    handler.end_headers()


def _hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def status(code: int, **headers: object) -> Step:
    def step(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, code, {"Content-Length": 0, **{k.replace("_", "-"): v for k, v in headers.items()}})

    return step


def answer(value: object) -> Step:
    return ignoring_ranges(json.dumps(value).encode())


def ignoring_ranges(body: bytes, *, announced: int | None = None, cut: int | None = None) -> Step:
    """Send 200 whatever was asked; announce another length, or hang up after ``cut`` bytes."""

    def step(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {"Content-Length": len(body) if announced is None else announced})
        handler.wfile.write(body[:cut])
        if cut is not None or (announced or 0) > len(body):
            _hang_up(handler)

    return step


def ranged(body: bytes, *, cut: int | None = None, tag: str | None = '"1"', first: int | None = None) -> Step:
    """Honour ranges as a good server does; hang up after ``cut`` bytes, or lie about the first byte."""

    def step(handler: BaseHTTPRequestHandler) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        tags = {"ETag": tag} if tag else {}
        if start >= len(body):
            _head(handler, 416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": 0})
            return
        rest = body[start:]
        claimed = start if first is None else first
        span = {"Content-Range": f"bytes {claimed}-{len(body) - 1}/{len(body)}"} if start else {}
        _head(handler, 206 if start else 200, {"Content-Length": len(rest), **span, **tags})
        handler.wfile.write(rest[:cut])
        if cut is not None:
            _hang_up(handler)

    return step


def chunked(body: bytes, *, size: int, cut: int | None = None) -> Step:
    """Send without saying how long; hang up before the last chunk when ``cut`` is set."""

    def step(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {"Transfer-Encoding": "chunked"})
        for i in range(0, len(body) if cut is None else cut, size):
            block = body[i : i + size]
            handler.wfile.write(f"{len(block):x}\r\n".encode() + block + b"\r\n")
        if cut is not None:
            _hang_up(handler)
            return
        handler.wfile.write(b"0\r\n\r\n")

    return step


def slow(body: bytes, *, block: int, pause: float) -> Step:
    def step(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {"Content-Length": len(body)})
        try:
            for i in range(0, len(body), block):
                handler.wfile.write(body[i : i + block])
                time.sleep(pause)
        except OSError:
            handler.close_connection = True

    return step
