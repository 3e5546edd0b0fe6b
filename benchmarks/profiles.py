"""Do lists and details cost with 1,000,000 profiles what they cost with 10,000?

``python -m benchmarks.profiles`` asks both in turn, one by one, uncached: over HTTP and straight
from the selectors. It ends with 1 when a p95 of the large one is more than 20% higher.
"""

import argparse
import http.client
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import django

from benchmarks import databases
from midst.stack import process

PORTION = 60
WORST = 1.2
Ask = Callable[[Random], object]


def timed(asks: dict[str, Ask], random: Random, times: int) -> dict[str, list[float]]:
    """Return milliseconds by side; the sides take turns, and turns at being first."""
    took: dict[str, list[float]] = {side: [] for side in asks}
    for turn in range(times):
        for side in sorted(asks, reverse=turn % 2 == 1):
            start = time.perf_counter()
            asks[side](random)
            took[side].append((time.perf_counter() - start) * 1000)
    return took


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def compare(name: str, asks: dict[str, Ask], rounds: int) -> float:
    """Print a line of medians over the rounds; return the median ratio of the p95."""
    random = Random(name)  # noqa: S311 -- it draws keys
    timed(asks, random, 10)
    parts = [timed(asks, random, PORTION) for _ in range(rounds)]
    ratio = statistics.median(p95(part["large"]) / p95(part["small"]) for part in parts)
    shown = [
        statistics.median(what(part[side]) for part in parts)
        for what in (statistics.median, p95)
        for side in ("small", "large")
    ]
    print(f"{name:<34}" + "".join(f"{value:9.2f}" for value in shown) + f"{ratio:9.2f}", flush=True)
    return ratio


@contextmanager
def served(url: str, side: str) -> Iterator[http.client.HTTPConnection]:
    """Run one gunicorn on the database at ``url``; yields a connection that stays open."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    child = process.spawn(
        side,
        [
            sys.executable, "-m", "gunicorn", "midst.wsgi", f"--bind=127.0.0.1:{port}",
            "--workers=1", "--threads=2", "--keep-alive=3600", "--no-control-socket",
        ],
        environment={
            **databases.environment(url), "DATABASE_POOL_SIZE": "2",
            "RATE_LIMIT_TOKEN": "1000000",
        },
        folder=databases.ROOT,
        log=databases.FOLDER / "logs" / f"{side}.log",
    )  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        while True:
            try:
                connection.connect()
            except ConnectionRefusedError:
                if not child.is_running():
                    raise SystemExit(f"gunicorn did not start:\n{child.log_tail()}") from None
                time.sleep(0.1)
            else:
                break
        yield connection
    finally:
        connection.close()
        process.stop(child)


def fetch(connection: http.client.HTTPConnection, path: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    # A personal view is computed each time; the public one is, as nothing fits into the cache.
    if answer.status != 200 or answer.headers["X-Cache"] == "HIT":
        raise SystemExit(f"{path}: {answer.status} {answer.headers['X-Cache']} {body[:200]!r}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with databases.server() as server:
        urls = {
            "small": databases.seeded(server, options.small),
            "large": databases.seeded(server, options.large),
        }
        os.environ.update(databases.environment(urls["small"]))
        django.setup()
        # Models want Django to be set up.
        from benchmarks.asking import Side

        sides = {name: Side(url) for name, url in urls.items()}
        heads = ("median A", "median B", "p95 A", "p95 B", "ratio")
        title = f"A {options.small:,}, B {options.large:,}; ms"
        print(f"{title:<34}" + "".join(f"{head:>9}" for head in heads))
        ratios = {}
        for name in sides["small"].cases:
            asks: dict[str, Ask] = {each: side.selecting(name) for each, side in sides.items()}
            ratios[f"selectors: {name}"] = compare(name, asks, options.rounds)
        print("over HTTP")
        with served(urls["small"], "small") as small, served(urls["large"], "large") as large:
            for name in sides["small"].cases:
                asks = {
                    "small": sides["small"].fetching(name, small, fetch),
                    "large": sides["large"].fetching(name, large, fetch),
                }
                ratios[f"HTTP: {name}"] = compare(name, asks, options.rounds)
    slow = [f"{name} {ratio:.2f}" for name, ratio in ratios.items() if ratio > WORST]
    print(f"{len(ratios) - len(slow)} of {len(ratios)} within {WORST - 1:.0%}", *slow, sep="\n  ")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
