"""What Prometheus scrapes, over all processes: as text, and on a port of its own.

What a key of the shared numbers looks like is worked out once here. By prometheus_client's encoders
a scrape of 4,267 lines took 52 ms of CPU (``benchmarks.telemetry_restarts``, whose bound is 50),
though its metrics were built once for all scrapes; here it takes 13.
Formats: prometheus.io/docs/instrumenting/exposition_formats, and OpenMetrics 1.0.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import lru_cache, partial, reduce
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.exposition import ThreadingWSGIServer
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
    openmetrics = content_type.startswith("application/openmetrics-text")
    shared = encode_totals(aggregate.totals(directory()), openmetrics=openmetrics)
    return shared + encode(rest), content_type


def totals(names: Collection[str], *, label: str) -> dict[str, dict[str, float]]:
    """Return ``{name: {value of label: sum}}`` of the samples called ``names``, but of no buckets.

    A sample without that label counts under ``""``; a name that was never counted is empty. What
    is known at a scrape alone is not asked for.
    """
    # Few of some thousand keys are asked for: only these are read.
    asked = re.compile(b"|".join(re.escape(json.dumps(name).encode()) for name in names))
    samples: dict[tuple[Any, ...], float] = {}
    for key, number in aggregate.totals(directory()).numbers.items():
        if asked.search(key):
            *_, name, labels, values, _ = json.loads(key)
            sample = name, *zip(labels, values, strict=True)
            known = samples.get(sample)
            samples[sample] = number if known is None else combine(key, known, number)
    found: dict[str, dict[str, float]] = {name: defaultdict(float) for name in names}
    for (name, *pairs), number in samples.items():
        if name in found:
            found[name][dict(pairs).get(label, "")] += number
    return found


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


class _Handler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Scrapes every few seconds are not worth a line each."""


def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer ``/metrics`` and ``/health``: WSGI. HEAD is GET without the body."""
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    status, body, content_type = "404 Not Found", b"Try /metrics or /health.\n", "text/plain"
    headers = []
    if method not in {"GET", "HEAD"}:
        status, body = "405 Method Not Allowed", b"Only GET and HEAD.\n"
        headers = [("Allow", "GET, HEAD")]
    elif path == "/metrics":
        status, (body, content_type) = "200 OK", render(environ.get("HTTP_ACCEPT", ""))
    elif path == "/health":
        status, body, content_type = "200 OK", b'{"status":"ok"}', "application/json"
    size = str(len(body))
    start_response(status, [("Content-Type", content_type), ("Content-Length", size), *headers])
    return [] if method == "HEAD" else [body]


def server(host: str, port: int) -> WSGIServer:
    """Return the server, bound but not yet serving. Raises ``OSError`` when the port is taken."""
    return make_server(host, port, answer, ThreadingWSGIServer, handler_class=_Handler)
