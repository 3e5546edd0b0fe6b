"""Is every total exact while readers scrape at once and workers come and go?

    .venv/bin/python -m benchmarks.telemetry_readers [--seconds 300] [--readers 4] [--folder DIR]

Four workers count requests at any time; each counts some and ends, every second one by ``kill -9``,
and the next begins. All readers scrape as fast as they can, and fold on the way what has ended.
Ends with 1 when a reader saw a total fall, or when the last scrapes do not tell what was counted,
to the last request. Inodes are used again at once on ext4: name a folder there.
"""

import argparse
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, cast

WORKERS, ROUTES, MOST_REQUESTS = 4, 60, 300
COUNTED = "http_requests_total{"


def count(requests: int) -> None:
    """Count as a worker does that has answered ``requests``."""
    from midst.telemetry import metrics

    for _ in range(requests):
        route = f"/route-{random.randrange(ROUTES)}"  # noqa: S311 -- no secret
        metrics.HTTP_REQUESTS.labels("GET", route, "200").inc()
        metrics.HTTP_DURATION.labels("GET", route).observe(0.01)


def come_and_go(seconds: float) -> tuple[int, int]:
    """Keep workers at work for ``seconds``; return how many there were and what they counted."""
    living: set[int] = set()
    started = counted = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until or living:
        if len(living) == WORKERS or time.monotonic() >= until:
            living.remove(os.wait()[0])
            continue
        requests = random.randint(1, MOST_REQUESTS)  # noqa: S311 -- no secret
        worker = os.fork()
        if worker == 0:
            count(requests)
            if started % 2:
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(0)
        living.add(worker)
        started, counted = started + 1, counted + requests
    return started, counted


def scrape() -> dict[str, float]:
    """Return how many requests are told, by the whole sample."""
    from midst.telemetry import exposition

    body, _ = exposition.render("")
    samples = (line.rsplit(" ", 1) for line in body.decode().split("\n") if COUNTED in line[:30])
    return {sample: float(number) for sample, number in samples if sample.startswith(COUNTED)}


def read() -> None:
    """Scrape until stdin says so, and once more; print how often, what fell, and the last total."""
    before: dict[str, float] = {}
    scrapes, fell, last = 0, 0, False
    scrape()
    print("ready", flush=True)
    while not last:
        last = bool(select.select([sys.stdin], [], [], 0)[0])
        told = scrape()
        fell += sum(told.get(sample, 0.0) < number for sample, number in before.items())
        before, scrapes = told, scrapes + 1
    sys.stdout.write(json.dumps([scrapes, fell, sum(before.values())]))


def run(folder: Path, *, seconds: float, readers: int) -> int:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    # Once, for all that are forked.
    from midst.telemetry import metrics  # noqa: F401

    command = [sys.executable, "-m", "benchmarks.telemetry_readers", "--read"]
    reading = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(readers)
    ]
    for reader in reading:
        cast(IO[str], reader.stdout).readline()
    started, counted = come_and_go(seconds)
    told = []
    for reader in reading:
        cast(IO[str], reader.stdin).close()
        told.append(json.load(cast(IO[str], reader.stdout)))
        reader.wait()
    exact = all(fell == 0 and total == counted for _, fell, total in told)
    kind = subprocess.run(
        ["/usr/bin/stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=True
    )
    print(f"{started} workers on {kind.stdout.strip()} counted {counted} requests in {seconds:g} s")
    for scrapes, fell, total in told:
        print(f"a reader: {scrapes} scrapes, {fell} totals fell, {total:.0f} requests at the end")
    print("every total was exact" if exact else "TOTALS WERE WRONG")
    return 0 if exact else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="where the files are made")
    parser.add_argument("--read", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read()
        return 0
    with tempfile.TemporaryDirectory(prefix="midst-readers-", dir=options.folder) as name:
        return run(Path(name), seconds=options.seconds, readers=options.readers)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "midst.settings.test")
    sys.exit(main())
