"""Server CPU time of a request: Midst beside peers that serve the same rows, in one run.

    .venv/bin/python -m benchmarks.peers [--rounds 5] [--requests 400] [--write]

Starts its own PostgreSQL and Valkey, seeds profiles, and measures all sides in turn (A B C, C B A):
CPU time of all threads of a server's processes by /proc, each turn divided by a calibration loop
around it, medians. Needs uv for the peers in Python, and node and npm for Fastify; without these
two Fastify is left out.
``--write`` puts the table into docs/performance.md.
"""

import argparse
import itertools
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile
import threading
from collections import defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import redis

from benchmarks import databases, documents
from benchmarks.pace import calibrate
from benchmarks.peers import rows, sides
from midst.stack import process, servers

PROFILES = 4000
WARM_UP = 500
DOCUMENT = sides.ROOT / "docs" / "performance.md"

Figures = dict[tuple[str, str], list[float]]


class _Sink(BaseHTTPRequestHandler):
    """Takes spans, and forgets them."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = self.headers["Content-Length"]
        if length is not None:
            self.rfile.read(int(length))
        else:
            # In pieces: a size in hexadecimal digits before each, 0 before the end.
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


def measure(
    running: list[sides.Running], urls: dict[str, str], rounds: int, requests: int
) -> tuple[Figures, float]:
    """Return CPU microseconds by row and side, in loops of calibration, and a loop's median."""
    with psycopg.connect(urls["DATABASE_URL"]) as connection:
        found = connection.execute(
            "SELECT id::text FROM profiles_profile WHERE is_active AND visibility = 'public'"
        )
        ids = [str(each) for (each,) in found]
    cache = redis.Redis.from_url(urls["REDIS_URL"])
    figures: Figures = defaultdict(list)
    paces: list[float] = []
    rows.check_same({each.side.name: each.port for each in running}, ids)
    # Compilers and caches warm up for longer than a turn.
    for asked, each in itertools.product(rows.paths(ids).values(), running):
        rows.ask(each.port, asked(WARM_UP))
    for number in range(rounds):
        for row, asked in rows.paths(ids).items():
            for each in running if number % 2 == 0 else reversed(running):
                if "database" in row:
                    cache.flushall()
                rows.ask(each.port, asked(WARM_UP // 10))
                before, pace = each.cpu_s(), calibrate()
                rows.ask(each.port, asked(requests))
                spent = each.cpu_s() - before
                pace = (pace + calibrate()) / 2
                paces.append(pace)
                figures[row, each.side.name].append(spent / requests / pace)
    return figures, statistics.median(paces)


def table(figures: Figures, pace_s: float, names: list[str]) -> str:
    """Return a table of medians in microseconds at the run's median pace, as Markdown."""
    found = list(dict.fromkeys(row for row, _ in figures))
    lines = [
        "| CPU of the server per request, µs | " + " | ".join(found) + " |",
        "|---|" + "---:|" * len(found),
    ]
    for name in names:
        medians = [statistics.median(figures[row, name]) * pace_s * 1e6 for row in found]
        lines.append(f"| {name} | " + " | ".join(f"{each:.0f}" for each in medians) + " |")
    return "\n".join(lines)


def compared(folder: Path, sink: str) -> list[sides.Side]:
    node = shutil.which("npm") is not None
    if not node:
        print("npm is missing: Fastify is left out", file=sys.stderr)
    programs = sides.python(databases.FOLDER / "peers")
    packages = databases.FOLDER / "fastify"
    packages.mkdir(parents=True, exist_ok=True)
    found = []
    for telemetry, to in (("telemetry off", None), ("telemetry on", sink)):
        found.append(sides.midst(f"Midst, {telemetry}", folder, to))
        if node:
            found.append(sides.fastify(f"Fastify, {telemetry}", packages, to))
        found += sides.peers_in_python(programs, telemetry, to)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=400, help="of each row and side, a round")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="midst-peers-")))
        folder.chmod(0o755)
        started = servers.start(folder, outside={}, death=signal.SIGINT)
        for child in started.children:
            stack.callback(process.stop, child)
        sink = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        stack.callback(sink.shutdown)
        databases.manage(started.urls["DATABASE_URL"], "migrate", "--verbosity=0")
        databases.manage(started.urls["DATABASE_URL"], "seed", f"--profiles={PROFILES}")
        running = []
        for number, side in enumerate(compared(folder, f"http://127.0.0.1:{sink.server_port}")):
            running.append(sides.Running(side, started.urls, folder / f"{number}.log"))
            stack.callback(running[-1].stop)
        load = os.getloadavg()[0]
        figures, pace_s = measure(running, started.urls, options.rounds, options.requests)
    names = [each.side.name for each in running]
    text = table(figures, pace_s, names)
    heading = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores {platform.machine()}, "
        f"load {load:.1f} at the start, a loop of calibration {pace_s * 1000:.1f} ms; "
        f"medians of {options.rounds} rounds of {options.requests} requests."
    )
    print(heading, text, sep="\n\n")
    if options.write:
        documents.write(DOCUMENT, "peers", f"{heading}\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
