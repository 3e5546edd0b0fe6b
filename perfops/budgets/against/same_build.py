"""The same build against itself, and with a known slowdown: what this host's verdicts are worth."""

import platform
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from statistics import median

import msgspec

from perfops.budgets.against import checkouts, measuring
from perfops.budgets.against.checkouts import Recipe, Side
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.against.measuring import Measured, Wanted
from perfops.budgets.against.server_cpu import ALL_ROUTES, CPU, with_cpu
from perfops.budgets.against.serving import serving
from perfops.conf import conf
from perfops.load import k6, scenarios, sizing
from perfops.load.slowdown import VARIABLE
from perfops.models.noise import AATest
from perfops.models.runs import LoadRun
from perfops.statistics import false_alarms, gate, shifts
from perfops.statistics.false_alarms import Pair

_WARM_UP_S = 3.0
_MOST_ERRORS = 0.01
# Of each pair of the same build one is recorded with the slowdown as well.
_NAMES = ("first", "second", "slowed")
# More than this would be asked of no comparison.
_MOST_NEEDED = 24

Say = Callable[[str], None]


@dataclass(slots=True)
class Recorded:
    """``same``: pairs of runs of one build; ``slowed``: the first of each, and one slowed down."""

    same: list[Pair] = field(default_factory=list)
    slowed: list[Pair] = field(default_factory=list)


def run(wanted: Wanted, slowdown_ms: float, say: Say) -> AATest:
    """Record, judge, and keep the result for the verdicts to come. Raises ``CouldNotCompare``.

    ``wanted.minutes`` is for the recording; judging adds a minute or two of CPU.
    """
    recorded = record(wanted, slowdown_ms, say)
    if len(recorded.same) < gate.MIN_PAIRS:
        raise CouldNotCompare(
            f"{len(recorded.same)} pairs were recorded and {gate.MIN_PAIRS} are the least that "
            "says anything: give it more --minutes, or fewer --seconds a run."
        )
    say("Judging ...")
    found = judged(recorded, wanted, slowdown_ms)
    found.save()
    return found


def judged(recorded: Recorded, wanted: Wanted, slowdown_ms: float) -> AATest:
    """Return what the record says of this host, not saved yet."""
    same = false_alarms.series(recorded.same)
    alpha = shifts.ALPHA / max(1, len(same))
    every = {(each.route, each.figure): (*each.before, *each.after) for each in same}
    needed = max((shifts.pairs_for(each, gate.MUST_SEE, alpha) for each in every.values()),
                 default=gate.MAX_PAIRS)  # fmt: skip
    cpu = [(old[ALL_ROUTES, CPU], new[ALL_ROUTES, CPU]) for old, new in recorded.slowed
           if (ALL_ROUTES, CPU) in old and (ALL_ROUTES, CPU) in new]  # fmt: skip
    return AATest(
        host=platform.node(),
        cores=k6.usable_cores(),
        scenario=wanted.scenario,
        seconds=wanted.seconds,
        pairs=len(recorded.same),
        slowdown_ms=slowdown_ms,
        slowed_by=median(new / old for old, new in cpu) - 1 if cpu else None,
        false_alarms=asdict(false_alarms.false_alarms(recorded.same)),
        misses=asdict(false_alarms.misses(recorded.slowed)),
        smallest_effect=false_alarms.smallest_effect(recorded.same),
        needed=needed if needed > gate.MAX_PAIRS else None,
        noise={f"{figure} of {route}": spread(each) for (route, figure), each in every.items()},
    )


def spread(values: tuple[float, ...]) -> float:
    """Return the deviation of runs as a share of their median (median absolute, x 1.4826)."""
    middle = median(values)
    return 1.4826 * median(abs(each - middle) for each in values) / (abs(middle) or 1.0)


def record(wanted: Wanted, slowdown_ms: float, say: Say) -> Recorded:
    """Run the three in turn until the pairs or the minutes are over. Raises ``CouldNotCompare``."""
    how = checkouts.recipe()
    try:
        plan, binary = measuring.plan_of(wanted), k6.binary(conf().K6_BINARY)
    except (k6.NoK6, scenarios.UnknownScenario, sizing.SizeRefused) as error:
        raise CouldNotCompare(str(error)) from error
    say("Preparing three databases of this build ...")
    with checkouts.same(how, _NAMES) as sides, ExitStack() as stack:
        plan = measuring.filled(plan, sides[0], how)
        slow = with_slowdown(how, slowdown_ms)
        recipes = dict(zip(_NAMES, (how, how, slow), strict=True))
        servers = {
            side.name: stack.enter_context(serving(side, recipes[side.name])) for side in sides
        }

        def measure(side: Side, seconds: float) -> Measured:
            before = servers[side.name].cpu_s()
            found = measuring.measure(binary, plan, side, seconds)
            return with_cpu(found, servers[side.name].cpu_s() - before)

        for side in sides:
            measure(side, _WARM_UP_S)
        return in_turn(sides, wanted, measure, say)


def in_turn(
    sides: tuple[Side, ...], wanted: Wanted, measure: Callable[[Side, float], Measured], say: Say
) -> Recorded:
    """Run first, second, slowed and then the other way round. Raises ``CouldNotCompare``.

    A round that is left out is made up for, until as many as are wanted were left out.
    """
    found, began, tried = Recorded(), time.monotonic(), 0
    while len(found.same) < wanted.pairs and tried < len(found.same) + wanted.pairs:
        order = sides if tried % 2 == 0 else tuple(reversed(sides))
        runs = {side.name: measure(side, wanted.seconds) for side in order}
        tried += 1
        worst = max(each.error_rate for each in runs.values())
        if worst > _MOST_ERRORS:
            raise CouldNotCompare(f"{worst:.0%} of the answers are errors: it is no measure.")
        starved = next((each.generator for each in runs.values() if each.generator), "")
        if starved:
            say(f"A round was left out: {starved}")
        else:
            first, second, slowed = (runs[name].figures for name in _NAMES)
            found.same.append((first, second))
            found.slowed.append((first, slowed))
            say(f"Round {len(found.same)} of at most {wanted.pairs}.")
        if time.monotonic() - began > wanted.minutes * 60:
            say("The time is over.")
            break
    return found


def with_slowdown(how: Recipe, ms: float) -> Recipe:
    """Return the recipe with so much CPU work in each request."""
    return msgspec.structs.replace(how, environment={**how.environment, VARIABLE: f"{ms:g}"})


def newest(host: str = "") -> AATest | None:
    """Return this host's newest test, or another's."""
    return AATest.objects.filter(host=host or platform.node()).order_by("-pk").first()


def pairs_for_host(usual: int) -> int:
    """Return how many pairs a comparison may take: more where this host was seen to be noisy."""
    found = newest()
    return max(usual, min(_MOST_NEEDED, found.needed or 0)) if found else usual


def of_host() -> list[str]:
    """Return what verdicts on this host are worth, as reports say it; empty: not measured."""
    found = newest()
    return [sentence(found)] if found else []


def of_run(run: LoadRun) -> str:
    """Return what its verdict is worth, as reports say it; "": it has none, or not measured."""
    return " ".join(of_host()) if run.verdict else ""


def sentence(found: AATest) -> str:
    """Return what a verdict on this host is worth, for reports and pages."""
    same, slow = found.false_alarms, found.misses
    seen = "none that was tried"
    if found.smallest_effect is not None:
        seen = f"{found.smallest_effect:.1%}"
    slowed = "" if found.slowed_by is None else f", {found.slowed_by:+.0%} of CPU"
    return (
        f"This host ({found.host}, {found.pairs} pairs on {found.created_at:%Y-%m-%d %H:%M} UTC): "
        f"false alarms {_share(same)}; misses {_share(slow)} of a slowdown of "
        f"{found.slowdown_ms:g} ms a request{slowed}; smallest effect seen {seen}."
    )


def _share(rate: dict[str, float]) -> str:
    return f"{rate['count']:g} of {rate['verdicts']:g} ({rate['low']:.0%} to {rate['high']:.0%})"
