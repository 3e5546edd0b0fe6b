"""Kill, freeze and restart services under reads and writes, and write down what clients felt.

    python -m tests.containers faults each REPORT.json
    python -m tests.containers faults chaos SECONDS SEED REPORT.json

start the stack behind its two proxies; clients read and write all the while. *each* makes one fault
after the other, every service in every way; *chaos* makes faults in a random order for that long:
every service once before any comes again. Either ends with 1 when a promise of docs/operations.md
did not hold; ``python -m tests.containers.report`` makes that page's tables from the reports.
Killed: SIGKILL to the container's first process, which the engine starts again. Frozen: paused for
ten seconds. Restarted: as the engine does it.
"""

import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.containers import engine
from tests.containers.load import Load
from tests.containers.report import promises
from tests.containers.stack import EXEMPT, FAULTED, PROXIED, Stack
from tests.containers.test_stack import ask

KINDS = ("killed", "frozen", "restarted")
FROZEN_S = 10
CALM_S = 10
WELL_S = 120
# One fires always, and the addresses to which these alerts go lead nowhere.
ALWAYS = "Watchdog|AlertsNotDelivered"
ALERTS = f'max by (alertname, alertstate) (max_over_time(ALERTS{{alertname!~"{ALWAYS}"}}[%ds]))'


@dataclass
class Fault:
    """``well_after_s``: from the fault to the last bad answer; ``None``: not within two minutes.

    ``errors``: how many answers of each kind were bad, from this fault to the next one.
    """

    service: str
    kind: str
    began: float
    well_after_s: float | None = None
    errors: dict[str, int] = field(default_factory=dict)


def machine() -> dict[str, str | int | float]:
    """Return when this was, and on what."""
    found = engine.find()
    assert found is not None, "no engine"
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cores": os.cpu_count() or 0,
        "load_before": round(os.getloadavg()[0], 1),
        "engine": found.run("--version").strip(),
    }


def make(stack: Stack, load: Load, service: str, kind: str) -> Fault:
    """Make one fault and wait until all services are healthy and answers good for ten seconds."""
    fault = Fault(service, kind, time.time())
    if kind == "killed":
        process = int(stack.engine.containers()[service]["State"]["Pid"])
        assert process > 1, f"{service} does not run"
        os.kill(process, signal.SIGKILL)
    elif kind == "frozen":
        stack.engine.run("pause", stack.name(service))
        time.sleep(FROZEN_S)
        stack.engine.run("unpause", stack.name(service))
    else:
        stack.engine.run("restart", stack.name(service))
    while time.time() - fault.began < WELL_S:
        time.sleep(1)
        last_bad = max((at for at, _ in load.bad()), default=0.0)
        if time.time() - max(fault.began, last_bad) > CALM_S and not stack.unwell():
            fault.well_after_s = round(max(0.0, last_bad - fault.began), 1)
            break
    since = (what for at, what in load.bad() if at >= fault.began)
    fault.errors = dict(Counter(since))
    return fault


def alerts(seconds: float) -> list[str] | None:
    """Return what fired or was pending within ``seconds``; ``None`` when Prometheus is away."""
    try:
        _, _, content = ask(
            f"http://127.0.0.1:9090/api/v1/query?query={quote(ALERTS % (seconds + 15))}"
        )
    except OSError:
        return None
    found = json.loads(content)["data"]["result"]
    return sorted(f"{e['metric']['alertname']} ({e['metric']['alertstate']})" for e in found)


def order(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yield (service, kind) for ever: all services in a random order, then again in another."""
    while True:
        for service in rng.sample(FAULTED, len(FAULTED)):
            yield service, rng.choice(KINDS)


def each(stack: Stack, folder: Path, report: Path) -> None:
    whole: dict[str, Any] = {"what": "each", **machine()}
    rows = whole["faults"] = []
    with Load(stack, folder, seconds=7200) as load:
        time.sleep(5)
        for kind, service in itertools.product(KINDS, FAULTED):
            fault = make(stack, load, service, kind)
            again = sum(at >= fault.began for at in load.again())
            firing = alerts(time.time() - fault.began)
            rows.append({**asdict(fault), "again": again, "alerts": firing})
            report.write_text(json.dumps(whole, indent=1))
    whole["felt"] = asdict(load.felt())
    report.write_text(json.dumps(whole, indent=1))


def chaos(stack: Stack, folder: Path, report: Path, *, seconds: int, seed: int) -> None:
    rng = random.Random(seed)
    whole: dict[str, Any] = {"what": "chaos", **machine(), "seed": seed}
    faults = whole["faults"] = []
    with Load(stack, folder, seconds=seconds + 300) as load:
        began = time.monotonic()
        time.sleep(5)
        for service, kind in order(rng):
            faults.append(asdict(make(stack, load, service, kind)))
            report.write_text(json.dumps(whole, indent=1))
            if time.monotonic() - began > seconds:
                break
            time.sleep(rng.uniform(0, 5))
    whole["felt"], whole["alerts"] = asdict(load.felt()), alerts(load.seconds)
    report.write_text(json.dumps(whole, indent=1))


def main(what: str, *arguments: str) -> None:
    found = engine.find()
    assert found is not None, "no engine"
    *numbers, report = arguments
    with tempfile.TemporaryDirectory() as folder:
        # Here services are killed for as long as it goes on.
        stack = Stack(found, Path(folder), restarts=1000)
        try:
            stack.start("two-proxies", **EXEMPT, **PROXIED)
            if what == "each":
                each(stack, Path(folder), Path(report))
            else:
                seconds, seed = map(int, numbers)
                chaos(stack, Path(folder), Path(report), seconds=seconds, seed=seed)
        finally:
            stack.stop()
    broken = [what for good, what in promises(json.loads(Path(report).read_text())) if not good]
    if broken:
        sys.exit("\n".join(["did not hold:", *broken]))


if __name__ == "__main__":
    main(*sys.argv[1:])
