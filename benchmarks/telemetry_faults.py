"""What clients feel when nobody takes spans and errors: the receiver is away, slow, or broken.

    .venv/bin/python -m benchmarks.telemetry_faults [--rounds 24] [--seconds 2]

Starts its own PostgreSQL and Valkey, and a gunicorn for each receiver, as production runs it, with
all requests traced and each tenth an error that Sentry is told. In each round every gunicorn is
asked for some seconds, one after another, with the order turned each time. ``fine`` stands there
twice: how far the second is from the first is what this machine's noise does.

Ends with 1 when a request fails; when p95 is surely higher than with a fine receiver by more than
``MAX_P95``, where surely means that the lower end of the 95% confidence interval of the median of
the rounds' ratios says so; or when a worker grows by more than ``MAX_GROWTH_MB`` from the warm-up
on: full queues take 20 to 25 (2048 spans wait, 512 are being sent, 100 events wait), and stay so.
"""

import argparse
import http.client
import itertools
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.pace import calibrate
from benchmarks.telemetry import prepare
from midst.stack import process, servers

CLIENTS = 2
MAX_P95, MAX_GROWTH_MB = 1.15, 32.0
FINE, AGAIN = "fine", "fine again"
RECEIVERS = (FINE, AGAIN, "away", "slow", "errors")
_MEGABYTE = 1024**2
_MS = 1000


@dataclass
class Variant:
    """A gunicorn whose receiver is as ``name`` says, and what was measured of it, by round."""

    name: str
    server: Any
    numbers: Iterator[int] = field(default_factory=itertools.count)
    median_ms: list[float] = field(default_factory=list)
    p95_ms: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    # Of its workers together, divided by what a fixed loop took at that time.
    cpu_ms: list[float] = field(default_factory=list)
    worker_mb: list[float] = field(default_factory=list)
    failed: int = 0
    warm_mb: float = 0.0

    def warm_up(self, seconds: float) -> None:
        """Be measured, and forget the figures but for the memory."""
        self.measure(seconds)
        self.warm_mb = self.worker_mb[0]
        for figures in (self.median_ms, self.p95_ms, self.rate, self.cpu_ms, self.worker_mb):
            figures.clear()

    def measure(self, seconds: float) -> None:
        """Ask for ``seconds`` with all clients, each as soon as it has its answer."""
        workers = [psutil.Process(pid) for pid in self.server.workers()]
        took: list[float] = []
        loop, spent = calibrate(), _cpu_s(workers)
        threads = [
            threading.Thread(target=self._ask, args=(time.monotonic() + seconds, took))
            for _ in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        spent, loop = _cpu_s(workers) - spent, (loop + calibrate()) / 2
        ranks = statistics.quantiles(took, n=100)
        self.median_ms.append(ranks[49])
        self.p95_ms.append(ranks[94])
        self.rate.append(len(took) / seconds)
        self.cpu_ms.append(spent * _MS / len(took) / loop)
        self.worker_mb.append(max(each.memory_info().rss for each in workers) / _MEGABYTE)

    def _ask(self, until: float, took: list[float]) -> None:
        client = http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=30)
        while time.monotonic() < until:
            path, expected = _request(next(self.numbers))
            began = time.perf_counter()
            client.request("GET", path)
            answer = client.getresponse()
            answer.read()
            took.append((time.perf_counter() - began) * _MS)
            self.failed += answer.status != expected
        client.close()

    @property
    def growth_mb(self) -> float:
        """How much the larger worker has grown since the warm-up."""
        return max(self.worker_mb) - self.warm_mb


def _request(number: int) -> tuple[str, int]:
    """Path and status: one in ten breaks, four come from the cache, five from the database."""
    if number % 10 == 0:
        return "/broken", 500
    if number % 2:
        return f"/api/v1/profiles?created_from=2020-01-01T00:00:00.{number % 10**6:06d}Z", 200
    return "/api/v1/taxonomy/masks", 200


def _cpu_s(workers: list[psutil.Process]) -> float:
    times = [each.cpu_times() for each in workers]
    return sum(each.user + each.system for each in times)


@contextmanager
def _receiving(name: str) -> Iterator[str]:
    """Yield the address of a receiver as ``name`` says; it forgets what it is sent."""
    from tests.telemetry.receivers import receiver

    if name == "away":
        yield "http://127.0.0.1:1"
        return
    with receiver(status=500 if name == "errors" else 200) as server:
        server.bodies = deque(maxlen=0)
        if name == "slow":
            server.released.clear()
        yield server.url


@contextmanager
def _serving(name: str, folder: Path, urls: dict[str, str]) -> Iterator[Variant]:
    from tests.telemetry.conftest import Gunicorn

    folder.mkdir()
    with _receiving(name) as address:
        server = Gunicorn(
            folder,
            {
                **urls,
                "CACHE_PREFIX": folder.name,
                "LOG_FORMAT": "json",
                "OTEL_EXPORTER_OTLP_ENDPOINT": address,
                "OTEL_TRACES_SAMPLER": "always_on",
                "SENTRY_DSN": f"{address.replace('://', '://key@')}/1",
            },
        )
        try:
            yield Variant(name, server)
        finally:
            server.stop()


def _spans(variant: Variant) -> tuple[float, float]:
    """Return how many spans were taken and how many dropped, of all processes."""
    from tests.telemetry.processes import scrape, value

    told = scrape(variant.server.metrics)
    dropped = [
        value(told, f'otel_spans_dropped_total{{reason="{reason}"}}') or 0.0
        for reason in ("queue_full", "export_failed")
    ]
    return value(told, "otel_spans_exported_total") or 0.0, sum(dropped)


def ratio(variant: Variant, fine: Variant) -> tuple[float, float]:
    """Return the median of the rounds' p95 by that of ``fine``, and the lower end of its interval.

    By ranks, so that no distribution is assumed (Conover, Practical Nonparametric Statistics).
    """
    ratios = sorted(a / b for a, b in zip(variant.p95_ms, fine.p95_ms, strict=True))
    rank = int(len(ratios) / 2 - 1.96 * len(ratios) ** 0.5 / 2)
    return statistics.median(ratios), ratios[max(rank, 0)]


def report(variants: list[Variant]) -> int:
    """Print what was measured; return 1 when a bound does not hold."""
    print(
        f"{'receiver':<12}{'req/s':>7}{'p50 ms':>8}{'p95 ms':>8}{'p95 ratio (at least)':>22}"
        f"{'CPU':>7}{'MB':>7}{'growth':>8}{'exported':>10}{'dropped':>9}{'failed':>8}"
    )
    bad, fine = False, variants[0]
    for each in variants:
        times, at_least = ratio(each, fine)
        rate, median, p95, megabytes = (
            statistics.median(figures)
            for figures in (each.rate, each.median_ms, each.p95_ms, each.worker_mb)
        )
        cpu = statistics.median(a / b for a, b in zip(each.cpu_ms, fine.cpu_ms, strict=True))
        exported, dropped = _spans(each)
        bad = bad or each.failed > 0 or at_least > MAX_P95 or each.growth_mb > MAX_GROWTH_MB
        print(
            f"{each.name:<12}{rate:>7.0f}{median:>8.2f}{p95:>8.2f}{times:>13.3f} ({at_least:.3f})"
            f"{cpu:>8.3f}{megabytes:>7.1f}{each.growth_mb:>8.1f}{exported:>10.0f}{dropped:>9.0f}"
            f"{each.failed:>8}"
        )
    print("CPU per request: times that of the first line. MB: the larger worker's resident memory.")
    bounds = f"p95 {MAX_P95}, growth {MAX_GROWTH_MB:.0f} MB, no failure"
    print(f"bounds: {bounds}: {'DO NOT HOLD' if bad else 'hold'}")
    figures = {each.name: [each.p95_ms, each.cpu_ms, each.worker_mb] for each in variants}
    print(json.dumps(figures), file=sys.stderr)
    return int(bad)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="midst-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        started = servers.start(folder, outside={}, death=signal.SIGINT)
        for child in started.children:
            stack.callback(process.stop, child)
        prepare({**os.environ, **started.urls, "DATABASE_POOL_SIZE": "4"})
        urls = {
            **started.urls,
            "DATABASE_POOL_SIZE": "4",
            "DJANGO_SETTINGS_MODULE": "benchmarks.breaking",
        }
        variants = [
            stack.enter_context(_serving(each, folder / each.replace(" ", "-"), urls))
            for each in RECEIVERS
        ]
        for variant in variants:
            variant.warm_up(options.seconds)
        for turn in range(options.rounds):
            first = turn % len(variants)
            for variant in (*variants[first:], *variants[:first]):
                variant.measure(options.seconds)
        return report(variants)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "midst.settings.test")
    sys.exit(main())
