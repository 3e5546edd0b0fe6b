"""A small server of its own for Prometheus, so that a scrape never waits behind requests."""

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from midst.telemetry import exposition


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            body, content_type = exposition.render(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, body, content_type)
        elif path == "/health":
            self._answer(HTTPStatus.OK, b'{"status":"ok"}', "application/json")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"Try /metrics or /health.\n", "text/plain")

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Scrapes every few seconds are not worth a line each."""


def server(host: str, port: int) -> ThreadingHTTPServer:
    """Return the server, bound but not yet serving. Raises ``OSError`` when the port is taken."""
    return ThreadingHTTPServer((host, port), _Handler)
