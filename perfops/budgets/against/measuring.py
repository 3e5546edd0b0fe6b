"""One run against one build, by k6: counts and quantiles of each route."""

import time
from dataclasses import dataclass, field, replace

import msgspec

from perfops.budgets.against.checkouts import Recipe, Side
from perfops.budgets.against.databases import CouldNotCompare
from perfops.conf import conf
from perfops.load import k6, parser, scenarios, sizing
from perfops.load.recording import ALL, Recording
from perfops.load.scenarios import Plan, Stage
from perfops.load.schedule import Schedule
from perfops.load.summary import QUANTILES, summarise
from perfops.load.validity import Limits, requests_for, validity_errors
from perfops.statistics.gate import MAX_PAIRS

FIGURES = ("p50", "p95", "p99")
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Wanted:
    """How long and how much: seconds and requests a second of one run, and when to end."""

    scenario: str = "smoke"
    seconds: float = 15.0
    rate: float | None = None
    pairs: int = MAX_PAIRS
    minutes: float = 30.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One run; ``figures``: ms by (route, quantile); ``generator``: why it proves nothing.

    ``cached``: hits and misses of each route, of the answers that say it (X-Cache).
    """

    requests: dict[str, int]
    errors: dict[str, int]
    figures: dict[tuple[str, str], float]
    unreachable: int
    generator: str
    cached: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def error_rate(self) -> float:
        return sum(self.errors.values()) / max(1, sum(self.requests.values()))


def plan_of(wanted: Wanted) -> Plan:
    """Return the plan of one run. Raises ``UnknownScenario`` and ``SizeRefused``."""
    plan = scenarios.find(wanted.scenario)
    rate = wanted.rate or plan.peak_rate
    sizing.check_caps(rate, wanted.seconds)
    stages = (Stage(wanted.seconds, rate),)
    return replace(plan, spec=msgspec.structs.replace(plan.spec, start_rate=rate, stages=stages))


def filled(plan: Plan, new: Side, how: Recipe) -> Plan:
    """Return the plan with every path written out from the rows that both builds have."""
    if plan.routes is None or plan.routes.suffix != ".json":
        return plan
    made = new.scratch / "routes.json"
    made.write_text(new.run(f"{{python}} manage.py list_routes --filled {plan.routes}", how))
    return replace(plan, routes=made)


def measure(binary: str, plan: Plan, side: Side, seconds: float) -> Measured:
    spec = msgspec.structs.replace(plan.spec, stages=(Stage(seconds, plan.peak_rate),))
    plan = replace(plan, spec=spec)
    recording = Recording(Schedule(plan.spec))
    looked = 0.0
    with k6.running(binary, plan, str(plan.routes or ""), side.url, 0) as process:
        for event in parser.events(process.lines):
            recording.record(event)
            if time.monotonic() > looked:
                # Notes the CPU used so far: afterwards nobody can tell.
                process.is_running()
                looked = time.monotonic() + _LOOK_S
        process.popen.wait(k6.STOP_PATIENCE_S)
        log, exit_code = process.log(), process.popen.returncode
    if exit_code in k6.ENDED_BY_ITSELF:
        recording.count_unanswered()
    recording.take_changed(lambda *_: (), final=True)
    if recording.first_at is None:
        last = next(reversed(log.strip().splitlines()), "it said nothing")
        raise CouldNotCompare(f"k6 could not run {plan.scenario} ({exit_code}): {last}")
    summary = summarise(recording, plan, cpu_s=process.cpu_s, exit_code=exit_code)
    limits = Limits(conf().MIN_ACHIEVED, conf().MAX_GENERATOR_CPU, k6.usable_cores())
    cells = {name: cell for name, cell in recording.routes() if name != ALL}
    figures = {
        (route, name): value
        for route, cell in cells.items()
        for name in FIGURES
        if cell.requests >= requests_for(QUANTILES[name])
        and (value := cell.latency.quantile(QUANTILES[name])) is not None
    }
    return Measured(
        requests={route: cell.requests for route, cell in cells.items()},
        errors={route: cell.errors for route, cell in cells.items()},
        figures=figures,
        unreachable=summary.unreachable,
        generator=validity_errors(summary, limits).generator,
        cached={route: (cell.cache_hits, cell.cache_misses) for route, cell in cells.items()},
    )
