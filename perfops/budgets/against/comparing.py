"""Running two builds in turn (A B B A ...) until it can be told which is slower."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from perfops.budgets import waivers
from perfops.budgets.against import checkouts, exact, measuring
from perfops.budgets.against.attribution import Cause, attribute
from perfops.budgets.against.cache_use import CacheUse
from perfops.budgets.against.checkouts import Recipe, Side
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.against.exact import Exact
from perfops.budgets.against.measuring import Measured, Wanted
from perfops.budgets.against.server_cpu import with_cpu
from perfops.budgets.against.serving import serving
from perfops.conf import conf
from perfops.formatting import count_text
from perfops.load import k6, scenarios, sizing
from perfops.load.scenarios import Plan
from perfops.statistics import gate
from perfops.statistics.gate import Decision, Outcome, Series

_WARM_UP_S = 3.0
_MOST_ERRORS = 0.01
_UNREACHABLE = 0.5

Say = Callable[[str], None]


@dataclass(slots=True)
class Compared:
    """``causes``: of what costs more, the one that costs most first; ``exact``: counts.

    ``took_s``: of the runs in turn, in seconds, with those of pairs that were left out.
    """

    decision: Decision
    pairs: int
    notes: list[str] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    exact: Exact = field(default_factory=Exact)
    took_s: float = 0.0


def compare(ref: str, wanted: Wanted, say: Say) -> Compared:
    """Compare this checkout with the commit ``ref``. Raises ``CouldNotCompare``.

    A count of requests that grew fails it at once: no load could acquit it.
    """
    # First: a database without our tables is known at once, and not after all the builds.
    how, waived = checkouts.recipe(), waivers.read()
    # So is a scenario that there is not.
    _plan_of(wanted)
    say(f"Preparing the build of {ref} and a database for each ...")
    with checkouts.prepared(ref, how) as pair:
        say("Counting what single requests cost in both ...")
        counts = exact.compare(pair, how, routes_of(wanted, how), ref, waived)
        if counts.is_broken:
            reason = "A single request costs more: the builds were not loaded."
            return Compared(Decision(Outcome.FAIL, (reason,), ()), 0, exact=counts)
        found = compare_pair(pair, how, wanted, ref, say)
    found.exact = counts
    return found


def _plan_of(wanted: Wanted) -> Plan:
    try:
        return measuring.plan_of(wanted)
    except (scenarios.UnknownScenario, sizing.SizeRefused) as error:
        raise CouldNotCompare(str(error)) from error


def routes_of(wanted: Wanted, how: Recipe) -> Path | None:
    """Return the file of what is counted: the recipe's, else the scenario's where it is JSON.

    None: neither says it. Each build fills it in from the rows that both have. Raises
    ``CouldNotCompare``.
    """
    if how.routes:
        return Path(how.routes).absolute()
    routes = _plan_of(wanted).routes
    return routes.absolute() if routes is not None and routes.suffix == ".json" else None


def compare_pair(
    pair: tuple[Side, Side], how: Recipe, wanted: Wanted, ref: str, say: Say
) -> Compared:
    """Compare two builds whose databases hold the same rows. Raises ``CouldNotCompare``.

    ``ref``: since which commits and files are named.
    """
    try:
        plan, binary = _plan_of(wanted), k6.binary(conf().K6_BINARY)
    except k6.NoK6 as error:
        raise CouldNotCompare(str(error)) from error
    plan = measuring.filled(plan, pair[1], how)
    requests: dict[str, Counter[str]] = {side.name: Counter() for side in pair}
    cached = {side.name: CacheUse() for side in pair}
    with ExitStack() as stack:
        servers = {side.name: stack.enter_context(serving(side, how)) for side in pair}

        def measure(side: Side, seconds: float) -> Measured:
            before = servers[side.name].cpu_s()
            found = measuring.measure(binary, plan, side, seconds)
            found = with_cpu(found, servers[side.name].cpu_s() - before)
            requests[side.name].update(found.requests)
            cached[side.name].add(found.cached)
            return found

        for side in pair:
            measure(side, _WARM_UP_S)
        found = in_turn(pair, wanted, measure, say)
    # Both have ended, and written what they counted.
    slower = [each.series.route for each in found.decision.judged if each.outcome is Outcome.FAIL]
    found.causes = attribute(list(dict.fromkeys(slower)), pair, requests, cached, ref)
    return found


def in_turn(
    pair: tuple[Side, Side], wanted: Wanted, measure: Callable[[Side, float], Measured], say: Say
) -> Compared:
    """Run the two until it is decided; ``measure``: one run of so many seconds.

    Raises ``CouldNotCompare`` when one of them can't be measured.
    """
    runs: dict[str, list[Measured]] = defaultdict(list)
    began = time.monotonic()
    notes: list[str] = []
    spoiled = 0
    while True:
        done = len(runs["new"])
        order = pair if done % 2 == 0 else tuple(reversed(pair))
        measured = {side: measure(side, wanted.seconds) for side in order}
        both = {"old": measured[pair[0]], "new": measured[pair[1]]}
        is_late = time.monotonic() - began > wanted.minutes * 60
        generator = both["old"].generator or both["new"].generator
        if broken := _broken(both["old"], both["new"], done + 1):
            return broken
        if generator:
            spoiled += 1
            say(f"A pair was left out: {generator}")
            notes = [f"Left out: {count_text(spoiled, 'pair')}. {generator}"]
        else:
            for name, each in both.items():
                runs[name].append(each)
            say(f"Pair {done + 1} of at most {wanted.pairs}.")
        is_last = is_late or spoiled > wanted.pairs
        decision = gate.in_turn(_series(runs), most=wanted.pairs, is_last=is_last)
        if decision is not None:
            if is_last:
                why = "the time is over" if is_late else "as many as are wanted were left out"
                notes.append(f"It ended after {count_text(len(runs['new']), 'pair')}: {why}.")
            took_s = time.monotonic() - began
            return Compared(decision, len(runs["new"]), notes, took_s=took_s)


def _broken(old: Measured, new: Measured, pairs: int) -> Compared | None:
    """Return the end of it where a build does not answer as it should."""
    for name, each in (("old", old), ("new", new)):
        sent = sum(each.requests.values())
        if each.unreachable >= max(1, sent) * _UNREACHABLE:
            raise CouldNotCompare(f"The {name} build could not be reached any more.")
    if old.error_rate > _MOST_ERRORS:
        raise CouldNotCompare(
            f"{old.error_rate:.0%} of the old build's answers are errors: it is no measure."
        )
    if new.error_rate <= _MOST_ERRORS:
        return None
    worst = max(new.errors, key=lambda route: new.errors[route])
    reason = (
        f"{new.error_rate:.0%} of the new build's answers are errors (the old one's: "
        f"{old.error_rate:.1%}), most at {worst}."
    )
    return Compared(Decision(Outcome.FAIL, (reason,), ()), pairs)


def _series(runs: dict[str, list[Measured]]) -> list[Series]:
    """Return the figures that every run of both builds has."""
    every = [*runs["old"], *runs["new"]]
    if not every:
        return []
    known = set.intersection(*(set(each.figures) for each in every))
    return [
        Series(
            *key,
            tuple(each.figures[key] for each in runs["old"]),
            tuple(each.figures[key] for each in runs["new"]),
        )
        for key in sorted(known)
    ]
