"""What Prometheus scrapes, over all processes: as text, and on a port of its own."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache, partial, reduce
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, CollectorRegistry, exposition
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from midst.telemetry.shared import aggregate
from midst.telemetry.shared.aggregate import Totals, combine
from midst.telemetry.shared.values import directory, exemplar_of

# What only the process that is scraped knows, asked at each scrape.
at_scrape: list[Collector] = []


def render(accept: str) -> tuple[bytes, str]:
    """Return ``(body, content type)`` in the format that the ``Accept`` header asks for.

    Exemplars are in OpenMetrics only: the older format has no place for them.
    """
    encode: Callable[[Collector], bytes]
    encode, content_type = exposition.choose_encoder(accept)
    return encode(_everything()), content_type


def _everything() -> CollectorRegistry:
    """All processes when they share a directory, else this one."""
    folder = directory()
    registry = CollectorRegistry(support_collectors_without_names=True)
    for collector in (Shared(folder) if folder else REGISTRY, *at_scrape):
        registry.register(collector)
    return registry


def totals(names: Collection[str], *, label: str) -> dict[str, dict[str, float]]:
    """Return ``{name: {value of label: sum}}`` of the samples called ``names``.

    A sample without that label counts under ``""``; a name that was never counted is empty.
    """
    found: dict[str, dict[str, float]] = {name: defaultdict(float) for name in names}
    for family in _everything().collect():
        for sample in family.samples:
            if sample.name in found:
                found[sample.name][sample.labels.get(label, "")] += sample.value
    return {name: dict(values) for name, values in found.items()}


class _Key(NamedTuple):
    """What the key of a number says, worked out once: a scrape has thousands of them."""

    type: str
    metric: str
    name: str
    labels: dict[str, str]
    help: str
    # Of a histogram's bucket: its upper bound, and the labels of its histogram.
    bound: float | None
    group: tuple[str, ...]


@lru_cache(maxsize=1 << 14)
def _parsed(key: bytes) -> _Key:
    kind, _, metric, name, names, values, text = json.loads(key)
    bound = float(values[-1]) if name.endswith("_bucket") else None
    group = tuple(values if bound is None else values[:-1])
    return _Key(kind, metric, name, dict(zip(names, values, strict=True)), text, bound, group)


class Shared(Collector):
    """The numbers of all processes, as prometheus_client's encoders take them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        """Yield each metric; buckets become cumulative, a histogram's count is their sum."""
        found = aggregate.totals(self._folder)
        # By metric, then by label set and sample: releases that word a help text differently have
        # two keys for one sample.
        metrics: dict[str, dict[tuple[str, ...], dict[str | float, list[bytes]]]] = {}
        for key in found.numbers:
            parsed = _parsed(key)
            name = parsed.name if parsed.bound is None else parsed.bound
            samples = metrics.setdefault(parsed.metric, {}).setdefault(parsed.group, {})
            samples.setdefault(name, []).append(key)
        for name, groups in metrics.items():
            (first, *_), *_ = next(iter(groups.values())).values()
            metric = Metric(name, _parsed(first).help, _parsed(first).type)
            for group in groups.values():
                _add(metric, group, found)
            yield metric


def _add(metric: Metric, samples: dict[str | float, list[bytes]], found: Totals) -> None:
    """Add the samples of one label set, which OpenMetrics wants together."""
    count = 0.0
    # Bounds first and in order, then the sum, whose labels are the count's too.
    for name in sorted(samples, key=lambda each: (isinstance(each, str), each)):
        keys = samples[name]
        key = _parsed(keys[0])
        number = reduce(partial(combine, keys[0]), (found.numbers[each] for each in keys))
        if key.bound is None:
            if metric.type == "histogram":
                metric.add_sample(f"{metric.name}_count", key.labels, count)
            metric.add_sample(key.name, key.labels, number)
        else:
            count += number
            exemplar = found.exemplars.get(keys[0])
            metric.add_sample(
                key.name, key.labels, count, exemplar=exemplar_of(exemplar) if exemplar else None
            )


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
