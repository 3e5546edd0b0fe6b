"""What telemetry costs: CPU time per request, side by side in one run.

    .venv/bin/python -m benchmarks.telemetry [--processes 2] [--rounds 4] [--requests 80]
        [--only cached] [--variant "all at 10%" ...] [--write]

More than six minutes on an idle machine; ``--write`` puts the table into docs/monitoring.md. A busy
machine makes the request itself dearer, so the shares lower: the load is told with the table.

Starts its own PostgreSQL and Valkey, and processes for each variant, all on the same data. Each
process answers requests with and without what its variant turns on, in turn (A B B A): where its
memory happens to lie makes a process some percent faster or slower for all its life, and the
machine's pace changes, but neighbours in one process share both. ``nothing`` is a variant without
anything: its price is the noise.
A process' time holds all its threads. What waits (lines, spans) leaves after each round, and each
of the round's requests has its share of that.
"""

import argparse
import itertools
import json
import os
import platform
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, cast

from benchmarks import documents
from midst.stack import process, servers

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "monitoring.md"
VARIANTS = (
    "nothing", "metrics", "metrics, log line", "metrics, tracing 10%", "metrics, tracing 100%",
    "metrics, stock tracing 10%", "metrics, Sentry", "metrics, Sentry tracing 10%", "all at 10%",
)  # fmt: skip
NOTHING, ALL = VARIANTS[0], VARIANTS[-1]
BOUNDS = {"cached": 0.30, "database": 0.12}
_WARM_UP = 10
# Without and with telemetry. Short turns: what disturbs the machine disturbs both.
_ROUND = 3 * ((False, True), (True, False))


class _Sink(BaseHTTPRequestHandler):
    """Takes spans and events, and forgets them."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


def variables(variant: str, *, sink: str, folder: Path) -> dict[str, str]:
    """Return the environment that turns on what ``variant`` names; ``folder`` is its own."""
    # None finds in the cache what another has put there.
    found = {"LOG_LEVEL": "WARNING", "CACHE_PREFIX": folder.name}
    if variant == NOTHING:
        return found
    metrics = folder / "metrics"
    metrics.mkdir()
    found["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    if "log line" in variant or variant == ALL:
        found |= {"LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}
    if "tracing" in variant or variant == ALL:
        ratio = "1.0" if "100%" in variant else "0.1"
        found |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink,
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": ratio,
            # Not in the midst of a turn, which may be one without telemetry.
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
        }
    if "Sentry" in variant or variant == ALL:
        found["SENTRY_DSN"] = f"{sink.replace('://', '://key@')}/1"
        found["SENTRY_TRACES_SAMPLE_RATE"] = "0.1" if "Sentry tracing" in variant else "0"
    return found


def serve(variant: str) -> None:
    """Be one variant: for each line ``kind requests`` on stdin answer with CPU ms per request.

    Pairs, each without and with what the variant turns on.
    """
    from django.core.wsgi import get_wsgi_application

    plain, full = _handlers(get_wsgi_application())
    from midst.telemetry import tracing

    tracing.start()
    if "stock" in variant:
        full = _stock_handler()
    numbers = itertools.count()

    def spent(kind: str, requests: int, *, telemetry: bool) -> float:
        _measure_servers(telemetry)
        handler = full if telemetry else plain
        for _ in range(_WARM_UP):
            _ask(handler, kind, next(numbers))
        start = time.process_time()
        for _ in range(requests):
            _ask(handler, kind, next(numbers))
        return (time.process_time() - start) * 1000 / requests

    for line in sys.stdin:
        kind, number = line.split()
        requests = int(number)
        pairs = []
        for order in _ROUND:
            told = {
                each: spent(kind, requests, telemetry=each and variant != NOTHING) for each in order
            }
            pairs.append((told[False], told[True]))
        start = time.process_time()
        _let_go()
        later = (time.process_time() - start) * 1000 / (requests * len(pairs))
        sys.stdout.write(json.dumps([(without, having + later) for without, having in pairs]))
        sys.stdout.write("\n")
        sys.stdout.flush()


def _handlers(full: Any) -> tuple[Any, Any]:
    """Return the application without its telemetry, and with it."""
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler

    every = settings.MIDDLEWARE
    settings.MIDDLEWARE = [each for each in every if not each.startswith("midst.telemetry")]
    plain = WSGIHandler()
    settings.MIDDLEWARE = every
    return plain, full


def _stock_handler() -> Any:
    """Return the application with the instrumentation's middleware for every request, ungated."""
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler

    from midst.telemetry import tracing

    tracing._sampler = None
    every = settings.MIDDLEWARE
    settings.MIDDLEWARE = [every[0], "midst.telemetry.tracing.around_request", *every[1:]]
    handler = WSGIHandler()
    settings.MIDDLEWARE = every
    return handler


def _measure_servers(wanted: bool) -> None:
    """Have commands to Redis and statements measured, or not."""
    from django.db import connection
    from django_redis import get_redis_connection
    from redis import Connection

    from midst.telemetry import database, redis

    pool = get_redis_connection("default").connection_pool
    pool.disconnect()
    pool.connection_class = redis.MeasuredConnection if wanted else Connection
    pool.reset()
    connection.execute_wrappers[:] = [database.measure] if wanted else []


def _let_go() -> None:
    """Have spans leave that still wait."""
    from midst.telemetry import tracing

    tracing.flush()


def _ask(application: Callable[..., Any], kind: str, number: int) -> None:
    """``cached``: one MGET. ``database``: a page of 20 profiles that no cache holds yet."""
    path, query = "/api/v1/taxonomy/masks", ""
    if kind == "database":
        path, query = "/api/v1/profiles", f"limit=20&created_from=2020-01-01T00:00:00.{number:06d}Z"
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1", "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.input": sys.stdin.buffer, "wsgi.errors": sys.stderr,
        "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False,
    }  # fmt: skip
    status: list[str] = []
    response = application(environ, lambda said, headers: status.append(said))
    b"".join(response)
    response.close()
    if status != ["200 OK"]:
        raise SystemExit(f"{path}?{query} answered {status}")


class Variant:
    """What one variant has cost, and the process that serves it now."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.figures: dict[str, list[tuple[float, float]]] = {"cached": [], "database": []}

    def start(self, environment: dict[str, str], log: Path) -> None:
        """Logs go to a pipe that somebody reads, as systemd and containers have it."""
        self._log = log
        self._reader = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=log.open("w"))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.telemetry", "--serve", self.name],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._reader.stdin,
            text=True,
        )
        self._commands = cast(IO[str], self._process.stdin)
        self._answers = cast(IO[str], self._process.stdout)

    def measure(self, kind: str, requests: int) -> None:
        """Note the CPU ms per request without and with what this variant turns on."""
        self._commands.write(f"{kind} {requests}\n")
        self._commands.flush()
        answer = self._answers.readline()
        if not answer:
            self._process.wait(30)
            raise SystemExit(f"{self.name!r} ended:\n{self._log.read_text()[-2000:]}")
        self.figures[kind] += json.loads(answer)

    def end(self) -> None:
        self._commands.close()
        self._process.wait(30)
        cast(IO[bytes], self._reader.stdin).close()
        self._reader.wait(30)


def run(
    variants: list[Variant], processes: int, rounds: int, requests: int, kinds: list[str]
) -> str:
    """Measure, and return how the machine was."""
    with tempfile.TemporaryDirectory(prefix="midst-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        started = servers.start(folder, outside={}, death=signal.SIGINT)
        sink = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        environment = {
            **os.environ,
            **started.urls,
            "DJANGO_SETTINGS_MODULE": "midst.settings.test",
            "DATABASE_POOL_SIZE": "4",
        }
        load = [os.getloadavg()[0]]
        try:
            prepare(environment)
            address = f"http://127.0.0.1:{sink.server_address[1]}"
            for generation in range(processes):
                for number, each in enumerate(variants):
                    own = folder / f"{generation}-{number}"
                    own.mkdir()
                    told = variables(each.name, sink=address, folder=own)
                    each.start({**environment, **told}, own / "log")
                for kind, _, each in itertools.product(kinds, range(rounds), variants):
                    each.measure(kind, requests)
                for each in variants:
                    each.end()
        finally:
            sink.shutdown()
            for child in reversed(started.children):
                process.stop(child)
    load.append(os.getloadavg()[0])
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores {platform.machine()}, "
        f"load average {load[0]:.1f} at the start and {load[1]:.1f} at the end; medians of "
        f"{processes * rounds * len(_ROUND)} pairs of {requests} requests each."
    )


def prepare(environment: dict[str, str]) -> None:
    """Migrate and seed, once for all variants."""
    subprocess.run(
        [sys.executable, "manage.py", "prepare", "--profiles", "200", "--admin", "admin"],
        env={**environment, "DJANGO_SUPERUSER_PASSWORD": secrets.token_urlsafe()},
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def table(variants: list[Variant], kinds: list[str]) -> tuple[str, bool]:
    """Return medians, and the median of what each pair says, as Markdown; do the bounds hold?"""
    lines = ["| CPU per request, ms | " + " | ".join(kinds) + " |", "|---" * (1 + len(kinds)) + "|"]
    fine = True
    for variant in variants:
        cells = []
        for kind in kinds:
            pairs = variant.figures[kind]
            without, having = map(statistics.median, zip(*pairs, strict=True))
            price = statistics.median(having / without for without, having in pairs) - 1
            bound = f", bound {BOUNDS[kind]:+.0%}" if variant.name == ALL else ""
            cells.append(f"{without:.2f} to {having:.2f}: **{price:+.0%}**{bound}")
            fine = fine and (variant.name != ALL or price <= BOUNDS[kind])
        lines.append(f"| {variant.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines), fine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=2, help="of each variant, in turn")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--requests", type=int, default=80)
    parser.add_argument("--only", choices=BOUNDS, help="one kind of request")
    parser.add_argument(
        "--variant", choices=VARIANTS, action="append", help="not all; may be repeated"
    )
    parser.add_argument("--write", action="store_true", help="into docs/monitoring.md")
    parser.add_argument("--serve", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    kinds = [options.only] if options.only else list(BOUNDS)
    variants = [Variant(each) for each in options.variant or VARIANTS]
    heading = run(variants, options.processes, options.rounds, options.requests, kinds)
    text, fine = table(variants, kinds)
    print(heading, text, f"The bounds {'hold' if fine else 'DO NOT HOLD'}.", sep="\n\n")
    print(json.dumps({each.name: each.figures for each in variants}), file=sys.stderr)
    if options.write:
        documents.write(DOCUMENT, "telemetry", f"{heading}\n\n{text}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
