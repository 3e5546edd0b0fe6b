"""Servers that speak what a trace collector and what Sentry speak, and remember what came."""

import gzip
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Receiver(ThreadingHTTPServer):
    """Keeps every body it is sent; answers ``status``, after ``released`` is set."""

    daemon_threads = True

    def __init__(self, status=200):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.bodies = []
        self.released = threading.Event()
        self.released.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def spans(self):
        """Every span that came, with the attributes of its resource."""
        return [
            Span(span, resource.resource)
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def events(self):
        return self._items("event")

    @property
    def transactions(self):
        return self._items("transaction")

    def _items(self, kind):
        """All of a kind in the envelopes that came (develop.sentry.dev/sdk/envelopes)."""
        found = []
        for body in self.bodies:
            lines = iter(body.split(b"\n"))
            next(lines)
            for header in lines:
                if header and json.loads(header)["type"] == kind:
                    found.append(json.loads(next(lines)))
                elif header:
                    next(lines)
        return found


class Span:
    def __init__(self, span, resource):
        self.name = span.name
        self.kind = span.kind
        self.trace, self.id, self.parent = (
            span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
        )  # fmt: skip
        self.failed = span.status.code == 2
        self.links = [each.trace_id.hex() for each in span.links]
        self.attributes = _plain(span.attributes)
        self.resource = _plain(resource.attributes)

    def __repr__(self):
        return f"<{self.name} {self.attributes}>"


def _plain(attributes):
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.released.wait(60)
        if self.server.status == 200:
            self.server.bodies.append(body)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        """The tests look at what came."""


@contextmanager
def receiver(**options):
    server = Receiver(**options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
