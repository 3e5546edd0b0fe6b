"""Kill and freeze each service in turn, under load, and write down what a client felt.

    python -m tests.containers.faults REPORT.json   (while the stack of the tests runs)

A client asks for a list through the proxy four times a second, each time for another page, so
that the cache does not hide the database. Killed: SIGKILL to the container's first process.
Frozen: paused for ten seconds. A request fails when it gets no answer or a 5xx one.
"""

import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.containers import engine
from tests.containers.stack import Stack
from tests.containers.test_stack import ask

SERVICES = (
    "postgres", "pgbouncer", "redis", "web", "worker", "beat", "metrics", "prometheus", "jaeger",
)  # fmt: skip
FROZEN_S = 10
WELL_S = 60


@dataclass
class Fault:
    """``well_after_s``: from the fault to the first of ten good answers in a row."""

    service: str
    kind: str
    requests: int = 0
    failed: int = 0
    slowest_s: float = 0.0
    well_after_s: float | None = None
    statuses: dict[str, int] = field(default_factory=dict)


class Client:
    """Asks without a pause between faults; keeps (start, seconds, status) of each request."""

    def __init__(self) -> None:
        self.answers: list[tuple[float, float, int]] = []
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(4)]

    def __enter__(self) -> "Client":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        while not self._done.wait(1.0):
            began = time.monotonic()
            # The limit of one address is 300 a minute: four clients stay below it.
            offset = int(began * 10) % 90 * 4 + number
            try:
                status, _, _ = ask(f"https://localhost/api/v1/profiles?limit={offset % 97 + 1}")
            except OSError:
                status = 0
            self.answers.append((began, time.monotonic() - began, status))


def make(stack: Stack, client: Client, service: str, kind: str) -> Fault:
    """Make one fault, wait until all is well again, and return what was felt."""
    before = len(client.answers)
    began = time.monotonic()
    if kind == "killed":
        process = int(stack.engine.containers()[service]["State"]["Pid"])
        assert process > 1, f"{service} does not run"
        os.kill(process, signal.SIGKILL)
    else:
        stack.engine.run("pause", stack.name(service))
        time.sleep(FROZEN_S)
        stack.engine.run("unpause", stack.name(service))
    while time.monotonic() - began < WELL_S:
        time.sleep(1)
        last = client.answers[-10:]
        if len(client.answers) - before >= 10 and all(200 <= one[2] < 500 for one in last):
            break
    mine = client.answers[before:]
    bad = [one for one in mine if not 200 <= one[2] < 500]
    fault = Fault(service, kind, len(mine), len(bad))
    fault.slowest_s = round(max(one[1] for one in mine), 2)
    if all(200 <= one[2] < 500 for one in mine[-10:]):
        ended = max((one[0] + one[1] for one in bad), default=began)
        fault.well_after_s = round(ended - began, 1)
    for one in mine:
        fault.statuses[str(one[2])] = fault.statuses.get(str(one[2]), 0) + 1
    return fault


def main(report: Path) -> None:
    found = engine.find()
    assert found is not None, "no engine"
    stack = Stack(found, report.parent)
    faults = []
    with Client() as client:
        time.sleep(5)
        for kind in ("killed", "frozen"):
            for service in SERVICES:
                faults.append(make(stack, client, service, kind))
                report.write_text(json.dumps([asdict(fault) for fault in faults], indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
