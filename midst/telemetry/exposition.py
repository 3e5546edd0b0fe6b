"""What Prometheus scrapes, over all processes: as text, and on a port of its own.

prometheus_client's encoder takes 15 microseconds a line, and a scrape has thousands: what a key of
the shared numbers looks like is worked out once here.
Formats: prometheus.io/docs/instrumenting/exposition_formats, and OpenMetrics 1.0.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import lru_cache, partial, reduce
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import REGISTRY, CollectorRegistry, exposition
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from midst.telemetry.shared import aggregate
from midst.telemetry.shared.aggregate import Totals, combine
from midst.telemetry.shared.values import directory, exemplar_of

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
    shared = encode_totals(aggregate.totals(folder), openmetrics=openmetrics)
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


_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})

# A line that lacks only its value, and the keys of what makes that up: two, when releases
# that word a help text differently share a directory. Prometheus would refuse a line told twice.
_Line = tuple[str, list[bytes]]


@dataclass
class _Metric:
    """How one metric is written down; a histogram's buckets and sum by its count's line."""

    name: str
    type: str
    help: str
    lines: dict[str, list[bytes]] = field(default_factory=dict)
    buckets: dict[str, dict[float, _Line]] = field(default_factory=dict)
    sums: dict[str, _Line] = field(default_factory=dict)

    def head(self, *, openmetrics: bool) -> str:
        """OpenMetrics names a counter without ``_total``."""
        name = self.name
        if self.type == "counter" and not openmetrics:
            name += "_total"
        text = self.help.translate(_ESCAPES if openmetrics else _HELP_ESCAPES)
        return f"# HELP {name} {text}\n# TYPE {name} {self.type}\n"


@lru_cache(maxsize=2)
def _plan(keys: tuple[bytes, ...]) -> list[_Metric]:
    """Sort the keys into metrics; from one scrape to the next they are mostly the same."""
    metrics: dict[str, _Metric] = {}
    for key in keys:
        kind, _, name, sample, label_names, values, text = json.loads(key)
        metric = metrics.setdefault(name, _Metric(name, kind, text))
        labels = [
            f'{label}="{value.translate(_ESCAPES)}"'
            for label, value in zip(label_names, values, strict=True)
        ]
        line = f"{sample}{_braces(labels)} "
        if sample.endswith("_bucket"):
            # The library puts `le` last.
            count = f"{name}_count{_braces(labels[:-1])} "
            buckets = metric.buckets.setdefault(count, {})
            buckets.setdefault(float(values[-1]), (line, []))[1].append(key)
        else:
            metric.lines.setdefault(line, []).append(key)
    for metric in metrics.values():
        for count, buckets in metric.buckets.items():
            metric.buckets[count] = dict(sorted(buckets.items()))
            labels_of_it = count.removeprefix(f"{metric.name}_count")
            sum_line = f"{metric.name}_sum{labels_of_it}"
            metric.sums[count] = sum_line, metric.lines.pop(sum_line)
    return list(metrics.values())


def _braces(labels: list[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""


def _together(numbers: dict[bytes, float], keys: list[bytes]) -> float:
    return reduce(partial(combine, keys[0]), (numbers[key] for key in keys))


def encode_totals(numbers_of: Totals, *, openmetrics: bool) -> bytes:
    """Return the text of all processes' numbers; exemplars, but no last line, in OpenMetrics.

    Buckets become cumulative, and a histogram's count is their sum.
    """
    numbers, parts = numbers_of.numbers, []
    # All samples of one label set stand together: OpenMetrics asks for it.
    exemplars = numbers_of.exemplars if openmetrics else {}
    for metric in _plan(tuple(numbers)):
        parts.append(metric.head(openmetrics=openmetrics))
        parts += [f"{line}{_together(numbers, keys)!r}\n" for line, keys in metric.lines.items()]
        for count_line, buckets in metric.buckets.items():
            count = 0.0
            for line, keys in buckets.values():
                count += _together(numbers, keys)
                exemplar = _exemplar(exemplars[keys[0]]) if keys[0] in exemplars else ""
                parts.append(f"{line}{count!r}{exemplar}\n")
            parts.append(f"{count_line}{count!r}\n")
            sum_line, keys = metric.sums[count_line]
            parts.append(f"{sum_line}{_together(numbers, keys)!r}\n")
    return "".join(parts).encode()


def _exemplar(cells: tuple[float, ...]) -> str:
    exemplar = exemplar_of(cells)
    trace = exemplar.labels["trace_id"]
    return f' # {{trace_id="{trace}"}} {exemplar.value!r} {exemplar.timestamp!r}'


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
