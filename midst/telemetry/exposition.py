"""The text that Prometheus scrapes, over all processes: rendered, served, read back."""

from collections import defaultdict
from collections.abc import Callable, Collection
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import REGISTRY, CollectorRegistry, exposition
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from midst.telemetry.shared import aggregate, text
from midst.telemetry.shared.values import directory

# What only the process that is scraped knows, asked at each scrape.
at_scrape: list[Collector] = []


def render(accept: str) -> tuple[bytes, str]:
    """Return ``(body, content type)`` in the format that the ``Accept`` header asks for.

    All processes when they share a directory, else this one. Exemplars are in OpenMetrics only:
    the older format has no place for them.
    """
    encode: Callable[[Collector], bytes]
    encode, content_type = exposition.choose_encoder(accept)
    rest = CollectorRegistry(support_collectors_without_names=True)
    for collector in at_scrape:
        rest.register(collector)
    folder = directory()
    if folder is None:
        rest.register(REGISTRY)
        return encode(rest), content_type
    openmetrics = content_type.startswith("application/openmetrics-text")
    shared = text.encode(aggregate.totals(folder), openmetrics=openmetrics)
    return shared + encode(rest), content_type


def totals(names: Collection[str], *, label: str) -> dict[str, dict[str, float]]:
    """Return ``{name: {value of label: sum}}`` of the samples called ``names``.

    A sample without that label counts under ``""``; a name that was never counted is empty.
    """
    found: dict[str, dict[str, float]] = {name: defaultdict(float) for name in names}
    text, _ = render("")
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            if sample.name in found:
                found[sample.name][sample.labels.get(label, "")] += sample.value
    return {name: dict(values) for name, values in found.items()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        """Also HEAD: the same, without the body."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            body, content_type = render(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, body, content_type)
        elif path == "/health":
            self._answer(HTTPStatus.OK, b'{"status":"ok"}', "application/json")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"Try /metrics or /health.\n", "text/plain")

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self) -> None:
        # What else the client sends with it is not read.
        self.close_connection = True
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, b"Only GET and HEAD.\n", "text/plain")

    do_HEAD = do_GET  # noqa: N815
    do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = _refuse  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Scrapes every few seconds are not worth a line each."""


def server(host: str, port: int) -> ThreadingHTTPServer:
    """Return the server, bound but not yet serving. Raises ``OSError`` when the port is taken."""
    return ThreadingHTTPServer((host, port), _Handler)
