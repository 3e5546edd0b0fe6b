"""How often do rules for regressions cry wolf, and how often do they see 10%?

``uv run --with apache-otava python -m benchmarks.gate_rules`` simulates histories of runs with
fixed seeds, judges each by ours and by well-known rules, and prints the tables of
docs/regressions.md; ``--write`` puts them there (seven minutes of two cores). It ends with 1 when
ours has more than 2% false alarms or sees less than 80%; of the hosts of the second table it only
says what ours does.
"""

import argparse
import math
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib import import_module
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from perfops.statistics.gate import (
    HISTORY_RUNS,
    MAX_PAIRS,
    NEW_RUNS,
    Outcome,
    Series,
    against_history,
    in_turn,
)
from perfops.statistics.shifts import ALPHA

HISTORIES, REQUESTS, SLOWER, ROUTES = 500, 200, 1.1, 8
# Against history 2% is near: of so many times more histories the share is sure to 0.2%.
MORE = 8
MOST_FALSE, LEAST_POWER = 0.02, 0.8
PAGE = Path(__file__).parents[1] / "docs" / "regressions.md"
BEGIN, END = "<!-- made by benchmarks/gate_rules.py -->", "<!-- end -->"
BEGIN_HARD, END_HARD = "<!-- made by benchmarks/gate_rules.py: hard -->", "<!-- end: hard -->"


@cache
def _stats() -> Any:
    """Return scipy.stats: it takes 3 s to import, and tests of our own rules need none of it."""
    return import_module("scipy.stats")


Host = Callable[[random.Random], Callable[[int], float]]
HISTORY, TURN = "ours, 5 new runs against 30", f"ours, in turn (up to {MAX_PAIRS} pairs)"
OURS = (HISTORY, TURN)
# What it is called, and how the host behaves.
MODELS: dict[str, Host] = {
    "normal, 4%": lambda rng: lambda _: rng.gauss(1, 0.04),
    "lognormal, 4%": lambda rng: lambda _: rng.lognormvariate(0, 0.04),
    "heavy tails (Student, 3 degrees)": lambda rng: (
        lambda _: math.exp(0.03 * rng.gauss(0, 1) / math.sqrt(rng.gammavariate(1.5, 2 / 3)))
    ),
    "outliers: 3% of runs take 3 times as long": lambda rng: (
        lambda _: rng.gauss(1, 0.04) * (3 if rng.random() < 0.03 else 1)
    ),
    "one run in five is missing": lambda rng: (
        lambda _: math.nan if rng.random() < 0.2 else rng.gauss(1, 0.04)
    ),
    "drift: 0.3% slower with each run": lambda rng: (
        lambda run: rng.gauss(1, 0.03) * (1 + 0.003 * run)
    ),
    "drift: random walk, 1% a run": lambda rng: _walk(rng, 1.0, 0.01),
    "drift: comes and goes (AR 0.9)": lambda rng: _walk(rng, 0.9, 0.015),
    "two kinds of runs: 30% take 15% longer": lambda rng: (
        lambda _: rng.gauss(1, 0.03) * (1.15 if rng.random() < 0.3 else 1)
    ),
    # Holm asks for more of each figure.
    f"normal, 4%, {ROUTES} routes at once": lambda rng: lambda _: rng.gauss(1, 0.04),
}


# What no promise is made about: hosts that are worse than that.
HARD: dict[str, Host] = {
    "sways more (AR 0.9, steps of 3%)": lambda rng: _walk(rng, 0.9, 0.03),
    "sways slowly (AR 0.97, steps of 2%)": lambda rng: _walk(rng, 0.97, 0.02),
    "sways fast (AR 0.5, steps of 4%)": lambda rng: _walk(rng, 0.5, 0.04),
    "random walk, 2% a run": lambda rng: _walk(rng, 1.0, 0.02),
    "noise of 4% that is 8% from the new runs on": lambda rng: (
        lambda run: rng.gauss(1, 0.04 if run < HISTORY_RUNS else 0.08)
    ),
    "every other five runs take 10% longer": lambda rng: (
        lambda run: rng.gauss(1, 0.03) * (1.1 if run // 5 % 2 else 1)
    ),
    "eight runs of the history took 15% longer": lambda rng: (
        lambda run: rng.gauss(1, 0.04) * (1.15 if 11 <= run < 19 else 1)
    ),
    "exponential noise, 8%": lambda rng: lambda _: 1 + rng.expovariate(1 / 0.08),
    "three runs of 300% just before the new ones": lambda rng: (
        lambda run: rng.gauss(1, 0.04) * (3 if HISTORY_RUNS - 3 <= run < HISTORY_RUNS else 1)
    ),
    "values in steps of 10%": lambda rng: lambda _: round(rng.gauss(1, 0.04), 1),
    "a week's rhythm of 10%": lambda rng: (
        lambda run: rng.gauss(1, 0.03) * (1 + 0.05 * math.sin(run * math.tau / 7))
    ),
}


def _walk(rng: random.Random, keeps: float, step: float) -> Callable[[int], float]:
    state = 0.0

    def value(_: int) -> float:
        nonlocal state
        state = keeps * state + rng.gauss(0, step)
        return rng.gauss(1, 0.03) * math.exp(state)

    return value


def ours(name: str, rng: random.Random, factor: float) -> bool | None:
    """New runs against history; None: it says that it can't tell."""
    series = []
    for number in range(_routes(name)):
        before, after = _history(name, rng, factor if number == 0 else 1.0)
        series.append(Series(str(number), "p95", tuple(before), tuple(after)))
    return _said(against_history(series).outcome)


def ours_in_turn(name: str, rng: random.Random, factor: float) -> bool | None:
    """A B B A ... until it is decided."""
    hosts = [_model(name)(rng) for _ in range(_routes(name))]
    runs: list[tuple[list[float], list[float]]] = [([], []) for _ in hosts]
    for pair in range(MAX_PAIRS):
        for number, (host, sides) in enumerate(zip(hosts, runs, strict=True)):
            for side in (0, 1) if pair % 2 == 0 else (1, 0):
                value = math.nan
                # A run that failed is run again.
                while math.isnan(value):
                    value = host(2 * pair)
                sides[side].append(value * (factor if side and number == 0 else 1))
        series = [Series(str(n), "p95", tuple(a), tuple(b)) for n, (a, b) in enumerate(runs)]
        decision = in_turn(series)
        if decision is not None:
            return _said(decision.outcome)
    raise AssertionError("the last pair decides")


def last_run(name: str, rng: random.Random, factor: float) -> bool:
    return any(after[-1] > 1.1 * before[-1] for before, after in _every_history(name, rng, factor))


def t_test_limit(name: str, rng: random.Random, factor: float) -> bool:
    """As Bencher documents it: above mean + t x deviation of up to 64 runs, by default at 99%."""
    return any(
        after[-1] > mean(before) + _stats().t.ppf(0.99, len(before) - 1) * stdev(before)
        for before, after in _every_history(name, rng, factor)
    )


def raw_ranks(name: str, rng: random.Random, factor: float) -> bool:
    """The requests of the newest run against those of the one before it."""
    found = []
    for before, after in _every_history(name, rng, factor):
        old, new = (
            [run * rng.lognormvariate(0, 0.3) for _ in range(REQUESTS)]
            for run in (before[-1], after[-1])
        )
        found.append(_stats().mannwhitneyu(new, old, alternative="greater").pvalue < ALPHA)
    return any(found)


@cache
def _otava() -> Any:
    """Return otava.series: ``uv run --with apache-otava``, it is no dependency of the project."""
    return import_module("otava.series")


def otava(name: str, rng: random.Random, factor: float) -> bool:
    """Apache Otava (formerly Hunter) with its defaults, over the history and the new runs.

    It names change points of a whole series: one of the newest ten runs that goes up is an alarm,
    so that it may be wrong by five runs about the place.
    """
    return any(
        point.index >= len(before) - NEW_RUNS and point.stats.forward_rel_change() > 0
        for before, after in _every_history(name, rng, factor)
        for point in _change_points([*before, *after])
    )


def _change_points(values: list[float]) -> list[Any]:
    runs = list(range(len(values)))
    series = _otava().Series("runs", None, runs, {"p95": None}, {"p95": values}, {})
    found: list[Any] = series.analyze().change_points["p95"]
    return found


Rule = Callable[[str, random.Random, float], bool | None]
RULES: dict[str, Rule] = {
    HISTORY: ours,
    TURN: ours_in_turn,
    "last run + 10%": last_run,
    "rank test of requests": raw_ranks,
    "t-test limit (99%)": t_test_limit,
    "Otava": otava,
}


def _history(name: str, rng: random.Random, factor: float) -> tuple[list[float], list[float]]:
    host = _model(name)(rng)
    values = [host(run) for run in range(HISTORY_RUNS + NEW_RUNS)]
    # New runs are run until there are enough of them: history may have holes.
    old = [value for value in values[:HISTORY_RUNS] if not math.isnan(value)]
    new = [value * factor for value in values[HISTORY_RUNS:] if not math.isnan(value)]
    while len(new) < NEW_RUNS:
        value = host(HISTORY_RUNS + len(new))
        new += [] if math.isnan(value) else [value * factor]
    return old, new


def _every_history(
    name: str, rng: random.Random, factor: float
) -> list[tuple[list[float], list[float]]]:
    return [_history(name, rng, 1.0 if number else factor) for number in range(_routes(name))]


def _model(name: str) -> Host:
    return MODELS.get(name) or HARD[name]


def _routes(name: str) -> int:
    return ROUTES if "routes" in name else 1


def _said(outcome: Outcome) -> bool | None:
    return None if outcome is Outcome.INCONCLUSIVE else outcome is Outcome.FAIL


def rates(rule: Rule, name: str, factor: float, histories: int) -> tuple[float, float]:
    """Return the shares of histories that it failed, and that it could not tell about."""
    found = [
        rule(name, random.Random(f"{name} {n}"), factor)  # noqa: S311
        for n in range(histories)
    ]
    return sum(each is True for each in found) / histories, found.count(None) / histories


def _cell(asked: tuple[str, str, int]) -> tuple[str, bool]:
    """Return a rule's rates under a noise as the table has them, and whether they are kept."""
    title, name, histories = asked
    false, _ = rates(RULES[title], name, 1.0, histories)
    power, open_ = rates(RULES[title], name, SLOWER, histories)
    text = f"{false:.1%} / {power:.0%}" + (f" ({open_:.0%} open)" if open_ >= 0.01 else "")
    return text, false <= MOST_FALSE and power >= LEAST_POWER


def _table(
    processes: ProcessPoolExecutor,
    models: Mapping[str, Host],
    titles: Sequence[str],
    histories: int,
) -> tuple[list[str], list[str]]:
    """Return the lines of a table, and where ours does not keep what it promises."""
    cells = [(name, title) for name in models for title in titles]
    asked = [
        (title, name, histories * (MORE if title == HISTORY and name in MODELS else 1))
        for name, title in cells
    ]
    found = dict(zip(cells, processes.map(_cell, asked), strict=True))
    lines = [f"| noise | {' | '.join(titles)} |", f"|---|{'---:|' * len(titles)}"]
    lines += [
        f"| {name} | {' | '.join(found[name, title][0] for title in titles)} |" for name in models
    ]
    print("\n".join(lines), flush=True)
    wrong = [
        f"{title}, {name}: {text}"
        for (name, title), (text, keeps) in found.items()
        if title in OURS and not keeps
    ]
    return lines, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=HISTORIES)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}; wants Otava")
    given = parser.parse_args()
    with ProcessPoolExecutor() as processes:
        kept, wrong = _table(processes, MODELS, tuple(RULES), given.histories)
        hard, _ = _table(processes, HARD, OURS, given.histories)
    if given.write:
        text = PAGE.read_text()
        for begin, end, lines in ((BEGIN, END, kept), (BEGIN_HARD, END_HARD, hard)):
            before, _, rest = text.partition(begin)
            text = f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{rest.partition(end)[2]}"
        PAGE.write_text(text)
    print("\n".join(wrong) or "Ours keeps what it promises.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
