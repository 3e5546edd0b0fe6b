"""A run and those just before it against the earlier ones like them: did a route get slower?"""

from collections import defaultdict
from dataclasses import dataclass

from perfops.load import comparison
from perfops.load.summary import QUANTILES
from perfops.load.validity import requests_for
from perfops.models.runs import LoadRun, RouteResult
from perfops.statistics import gate
from perfops.statistics.gate import HISTORY_RUNS, NEW_RUNS, Decision, Outcome, Series

# Fewer runs than these in all have seldom power for 10%, and nothing is judged by them.
MIN_RUNS = NEW_RUNS + 10
WHOLE = NEW_RUNS + HISTORY_RUNS
# The first of which every run has enough requests; one a route, as each more costs power.
_FIGURES = ("p95", "p50")


@dataclass(frozen=True, slots=True)
class Earlier:
    """``runs``: comparable ones, the judged run among them; ``decision``: None with too few."""

    runs: int
    decision: Decision | None = None

    @property
    def outcome(self) -> Outcome | None:
        """Return what counts: with less than the whole history only a fail does."""
        if self.decision is None:
            return None
        is_short = self.runs < WHOLE and self.decision.outcome is not Outcome.FAIL
        return None if is_short else self.decision.outcome

    @property
    def sentence(self) -> str:
        takes = f"five are held against the thirty before them, and here are {self.runs} in all"
        if self.decision is None:
            return f"Nothing is said of whether it got slower: {takes}."
        if self.outcome is None:
            return f"No route is slower as far as can be seen: {takes}."
        sentences = {
            Outcome.PASS: "No route got slower than in the runs before",
            Outcome.FAIL: "Slower than in the runs before",
            Outcome.INCONCLUSIVE: "It can't be told whether it got slower than in the runs before",
        }
        reasons = " ".join(self.decision.reasons)
        return f"{sentences[self.outcome]} ({NEW_RUNS} against {self.runs - NEW_RUNS}): {reasons}"


def against_earlier(run: LoadRun) -> Earlier:
    """Hold ``run`` and the four before it against the earlier ones that can be compared with it.

    Two queries and the figures of at most 35 runs.
    """
    runs = [run, *comparison.comparable_before(run, WHOLE - 1)][::-1]
    if len(runs) < MIN_RUNS or comparison.incomparable(run, run):
        return Earlier(len(runs))
    return Earlier(len(runs), gate.against_history(_series([each.pk for each in runs])))


def _series(runs: list[int]) -> list[Series]:
    """Return a figure of each route that all ``runs``, oldest first, have enough requests of."""
    rows: defaultdict[str, dict[int, RouteResult]] = defaultdict(dict)
    for row in RouteResult.objects.filter(run__in=runs).exclude(route="").defer("sketch"):
        rows[row.route][row.run_id] = row
    found = []
    for route, by_run in sorted(rows.items()):
        for name in _FIGURES:
            least = requests_for(QUANTILES[name])
            values = [
                getattr(by_run[each], f"{name}_ms")
                for each in runs
                if each in by_run and by_run[each].requests >= least
            ]
            if len(values) == len(runs) and None not in values:
                old, new = tuple(values[:-NEW_RUNS]), tuple(values[-NEW_RUNS:])
                found.append(Series(route, name, old, new))
                break
    return found
