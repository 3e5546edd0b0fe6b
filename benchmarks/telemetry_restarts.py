"""What a thousand restarts of workers leave: files, and the time of a scrape.

    .venv/bin/python -m benchmarks.telemetry_restarts [--restarts 1000] [--library]

Each child of a fork counts as a busy worker does, over every route and table, and is killed.
Some workers stay alive meanwhile. Bounds: 70 files, a scrape of 50 ms on a machine whose fixed
loop (see ``benchmarks.telemetry``) takes 2.4 ms. ``--library``: the same with prometheus_client's
own multi-process mode, for comparison.
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.pace import calibrate

LIVING, ROUTES, TABLES = 4, 60, 30
MAX_FILES, MAX_SCRAPE_MS, USUAL_LOOP_S = 70, 50.0, 0.0024


def work() -> None:
    """Touch the series that a worker touches in its life."""
    from midst.telemetry import metrics

    for number in range(ROUTES):
        route = f"/api/v1/route-{number}/{{id}}"
        metrics.HTTP_REQUESTS.labels("GET", route, "200").inc()
        metrics.HTTP_DURATION.labels("GET", route).observe(0.01)
        metrics.HTTP_DB_QUERIES.labels(route).observe(2)
        metrics.HTTP_DB_SECONDS.labels(route).observe(0.002)
    for number in range(TABLES):
        metrics.DB_QUERIES.labels("select", f"table_{number}").inc()
        metrics.DB_DURATION.labels("select", f"table_{number}").observe(0.001)


def child(*, stays: bool) -> int:
    """Fork a worker; return its number. One that does not stay is killed outright."""
    from midst.telemetry.shared import aggregate

    number = os.fork()
    if number == 0:
        aggregate.fold_if_many()
        work()
        while stays:
            signal.pause()
        os.kill(os.getpid(), signal.SIGKILL)
    if not stays:
        os.waitpid(number, 0)
    return number


def library_scrape() -> bytes:
    """Return the text of prometheus_client's own multi-process mode."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)


def own_scrape() -> bytes:
    from midst.telemetry import exposition

    return exposition.render("application/openmetrics-text; version=1.0.0")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--restarts", type=int, default=1000)
    parser.add_argument("--library", action="store_true")
    options = parser.parse_args()
    restarts, scrape = options.restarts, library_scrape if options.library else own_scrape
    with tempfile.TemporaryDirectory(prefix="midst-restarts-") as name:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = name
        from prometheus_client import values

        import midst.telemetry  # noqa: F401 -- puts its own store in place

        if options.library:
            values.ValueClass = values.MultiProcessValue()
        from midst.telemetry import metrics  # noqa: F401

        living = [child(stays=True) for _ in range(LIVING)]
        most = 0
        for _ in range(restarts):
            child(stays=False)
            most = max(most, len(list(Path(name).iterdir())))
        body = scrape()
        times = []
        for _ in range(20):
            loop, start = calibrate(), time.process_time()
            body = scrape()
            times.append((time.process_time() - start) * 1000 * USUAL_LOOP_S / loop)
        for number in living:
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
        left = len(list(Path(name).iterdir()))
    line = b'http_requests_total{method="GET",route="/api/v1/route-0/{id}",status="200"} '
    told = float(body.partition(line)[2].split(b"\n")[0])
    took = statistics.median(times)
    print(f"{restarts} restarts: at most {most} files, {left} left; counted {told:.0f}")
    print(f"a scrape: {took:.1f} ms of CPU, {body.count(b'\n')} lines")
    fine = most <= MAX_FILES and took < MAX_SCRAPE_MS and told == restarts + LIVING
    print("bounds hold" if fine else "BOUNDS DO NOT HOLD")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
