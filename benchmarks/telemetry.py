"""What telemetry costs: CPU time per request, side by side in one run.

    .venv/bin/python -m benchmarks.telemetry [--processes 6] [--rounds 8] [--requests 150]
        [--only cached] [--variant "all at 10%" ...]

Starts its own PostgreSQL and Valkey, and one process for each variant, all on the same data. In
each round every variant answers requests, one after another (A B C A B C). A fixed loop just
before and after each measurement tells how fast the machine was; figures are divided by it. Where
its memory happens to lie makes a process some percent faster or slower for all its life, so
each variant is started several times.
A process' time holds all its threads, so what exporters do in the background counts.
"""

import argparse
import itertools
import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, cast

from midst.stack import process, servers

ROOT = Path(__file__).resolve().parents[1]
VARIANTS = (
    "bare", "metrics", "metrics, log line", "metrics, tracing 10%", "metrics, tracing 100%",
    "metrics, Sentry", "all at 10%",
)  # fmt: skip
BARE, ALL = VARIANTS[0], VARIANTS[-1]
BOUNDS = {"cached": 0.25, "database": 0.10}
_LOOP = 40_000


def calibrate() -> float:
    """Return the CPU seconds of a fixed piece of work."""
    start, total = time.process_time(), 0
    for number in range(_LOOP):
        total += number * number % 7
    return time.process_time() - start


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
    if variant == BARE:
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
        }
    if "Sentry" in variant or variant == ALL:
        found["SENTRY_DSN"] = f"{sink.replace('://', '://key@')}/1"
    return found


def serve(variant: str) -> None:
    """Be one variant: for each line ``kind requests`` on stdin answer with CPU ms per request."""
    from django.conf import settings

    if variant == BARE:
        ours = "midst.telemetry"
        settings.INSTALLED_APPS = [each for each in settings.INSTALLED_APPS if each != ours]
        settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if not each.startswith(ours)]
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    if variant != BARE:
        from midst.telemetry import tracing

        tracing.start()
    numbers = itertools.count()
    for line in sys.stdin:
        kind, requests = line.split()
        # The first one after a pause meets cold caches.
        _ask(application, kind, next(numbers))
        before = calibrate()
        start = time.process_time()
        for _ in range(int(requests)):
            _ask(application, kind, next(numbers))
        spent = time.process_time() - start
        speed = (before + calibrate()) / 2
        sys.stdout.write(f"{spent * 1000 / int(requests)} {speed}\n")
        sys.stdout.flush()


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
        self.figures: dict[str, list[float]] = {"cached": [], "database": []}

    def start(self, environment: dict[str, str], log: Path) -> None:
        """Logs go to a pipe that somebody reads, as systemd and containers have it."""
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

    def measure(self, kind: str, requests: int) -> tuple[float, float]:
        """Return CPU ms per request, and the seconds of the fixed loop around it."""
        self._commands.write(f"{kind} {requests}\n")
        self._commands.flush()
        spent, speed = self._answers.readline().split()
        return float(spent), float(speed)

    def end(self) -> None:
        self._commands.close()
        self._process.wait(30)
        cast(IO[bytes], self._reader.stdin).close()
        self._reader.wait(30)


def run(names: list[str], processes: int, rounds: int, requests: int, kinds: list[str]) -> int:
    variants = [Variant(each) for each in names]
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
        try:
            prepare(environment)
            address = f"http://127.0.0.1:{sink.server_address[1]}"
            for generation in range(processes):
                for number, each in enumerate(variants):
                    own = folder / f"{generation}-{number}"
                    own.mkdir()
                    told = variables(each.name, sink=address, folder=own)
                    each.start({**environment, **told}, own / "log")
                _measure(variants, kinds, rounds=rounds, requests=requests)
        finally:
            sink.shutdown()
            for child in reversed(started.children):
                process.stop(child)
    return report(variants, kinds)


def prepare(environment: dict[str, str]) -> None:
    """Migrate and seed, once for all variants."""
    subprocess.run(
        [sys.executable, "manage.py", "prepare", "--profiles", "200", "--admin", "admin"],
        env={**environment, "DJANGO_SUPERUSER_PASSWORD": secrets.token_urlsafe()},
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _measure(variants: list[Variant], kinds: list[str], *, rounds: int, requests: int) -> None:
    for kind in kinds:
        for variant in variants:
            variant.measure(kind, 100)
        speeds: list[float] = []
        measured: list[tuple[Variant, float, float]] = []
        for _ in range(rounds):
            for variant in variants:
                spent, speed = variant.measure(kind, requests)
                speeds.append(speed)
                measured.append((variant, spent, speed))
        usual = statistics.median(speeds)
        for variant, spent, speed in measured:
            variant.figures[kind].append(spent * usual / speed)
    for variant in variants:
        variant.end()


def report(variants: list[Variant], kinds: list[str]) -> int:
    """Print the medians and their price; return 1 when a bound does not hold.

    The price is the median of the rounds' ratios to bare: neighbours in time saw one machine.
    """
    print(f"{'CPU ms per request':<24}" + "".join(f"{kind:>22}" for kind in kinds))
    fine = True
    for variant in variants:
        cells = ""
        for kind in kinds:
            median = statistics.median(variant.figures[kind])
            pairs = zip(variant.figures[kind], variants[0].figures[kind], strict=True)
            price = statistics.median(spent / bare for spent, bare in pairs) - 1
            cells += f"{median:>13.3f} {price:>+7.1%} "
            fine = fine and (variant.name != ALL or price <= BOUNDS[kind])
        print(f"{variant.name:<24}{cells}")
    bounds = ", ".join(f"{kind} {bound:.0%}" for kind, bound in BOUNDS.items())
    print(f"bound for all at 10%: {bounds}: {'holds' if fine else 'DOES NOT HOLD'}")
    print(json.dumps({each.name: each.figures for each in variants}), file=sys.stderr)
    return 0 if fine else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=6, help="of each variant, in turn")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--requests", type=int, default=150)
    parser.add_argument("--only", choices=BOUNDS, help="one kind of request")
    parser.add_argument(
        "--variant", choices=VARIANTS[1:], action="append", help="beside bare; may be repeated"
    )
    parser.add_argument("--serve", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    kinds = [options.only] if options.only else list(BOUNDS)
    names = [BARE, *options.variant] if options.variant else list(VARIANTS)
    return run(names, options.processes, options.rounds, options.requests, kinds)


if __name__ == "__main__":
    sys.exit(main())
