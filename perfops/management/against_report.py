"""``check_budget --against``: two builds run in turn as a report of budgets."""

import math
import signal
from collections.abc import Sequence
from types import FrameType

from perfops.budgets import waivers
from perfops.budgets.against import comparing, same_build
from perfops.budgets.against.checkouts import STOPS
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.against.measuring import Wanted
from perfops.budgets.selectors import Judgement, against_before
from perfops.budgets.waivers import Waivers
from perfops.formatting import count_text
from perfops.management import console
from perfops.management.budget_report import BudgetReport, code_of
from perfops.models.budgets import Evaluation
from perfops.statistics.gate import MUST_SEE, Judged, Outcome
from perfops.statistics.shifts import MIN_EFFECT

_CODES = {
    Outcome.PASS: console.FINE,
    Outcome.FAIL: console.NOT_FINE,
    Outcome.INCONCLUSIVE: console.COULD_NOT_TELL,
}
# Nobody waits for more: half a minute each.
_MOST_PAIRS = 100
_WORST_FIRST = (console.NOT_FINE, console.COULD_NOT_TELL, console.FINE)
_OUTCOMES = {
    Outcome.PASS: Evaluation.Outcome.MET,
    Outcome.FAIL: Evaluation.Outcome.VIOLATED,
    Outcome.INCONCLUSIVE: Evaluation.Outcome.UNKNOWN,
}


def report(ref: str, wanted: Wanted) -> BudgetReport:
    """Compare this checkout with the commit ``ref``. Never raises for what can't be run."""
    subject = f"This build against {ref}"
    before = {each: signal.signal(each, interrupt) for each in STOPS}
    try:
        found = comparing.compare(ref, wanted, lambda text: console.err().print(text, markup=False))
    except CouldNotCompare as error:
        return BudgetReport(None, console.COULD_NOT_TELL, [str(error)], [], subject)
    except KeyboardInterrupt:
        reason = "It was stopped; the checkout, the databases and the servers are gone."
        return BudgetReport(None, console.COULD_NOT_TELL, [reason], [], subject)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    return as_report(found, subject)


def as_report(found: comparing.Compared, subject: str) -> BudgetReport:
    """Return a comparison as a report: counts of single requests first, then what was timed."""
    decision, counts = found.decision, found.exact
    reasons = [*decision.reasons, *counts.reasons]
    if found.pairs:
        reasons.insert(0, f"{count_text(found.pairs, 'pair')} of runs in turn.")
    if decision.needed:
        reasons.append(more_pairs(decision.needed, found.pairs, found.took_s))
    if decision.outcome is Outcome.INCONCLUSIVE:
        reasons += sure_of(decision.judged)
    reasons += same_build.of_host()
    waived = waivers.read()
    timed = [judgement(each, waived) for each in decision.judged]
    code = _CODES[decision.outcome]
    # Errors fail it as well, and are no figure that can be waived.
    if code == console.NOT_FINE and timed:
        code = code_of(timed)
    codes = {code, code_of(counts.judgements)} if counts.judgements else {code}
    return BudgetReport(
        None,
        next(each for each in _WORST_FIRST if each in codes),
        [*reasons, *found.notes],
        [*counts.judgements, *timed],
        subject,
        [*counts.causes, *found.causes],
    )


def more_pairs(needed: int, pairs: int, took_s: float = 0.0) -> str:
    """Return what it would take to see 10%.

    ``pairs``: those that were run; ``took_s``: how long that took, in seconds, or 0.
    """
    whole = f"With this noise 10% takes about {count_text(needed, 'pair')}"
    if needed <= pairs:
        return f"{whole}, as many as were run: run it again."
    if needed > _MOST_PAIRS:
        return f"{whole}: use a quieter host, or run it when this one is quieter."
    option = f"--pairs {needed}"
    if took_s and pairs:
        # A tenth more, as no two pairs take as long.
        option += f" --minutes {math.ceil(needed * took_s / pairs * 1.1 / 60)}"
    return f"{whole}, {needed - pairs:,} more than were run: {option}"


def sure_of(judged: Sequence[Judged]) -> list[str]:
    """Return which figures would have shown 10% and did not, where others could not be told."""
    sure = [
        f"{each.series.figure} of {each.series.route}"
        for each in judged
        if each.outcome is Outcome.PASS
    ]
    if not sure:
        return []
    seen = f"{len(sure)} of {count_text(len(judged), 'figure')} would have shown {MUST_SEE:.0%}"
    return [f"{seen}, and did not: {', '.join(sure)}."]


def interrupt(number: int, frame: FrameType | None) -> None:
    """End it as Ctrl-C does, for the cleaning up; of ``STOPS``."""
    # A second one (CI sends SIGINT, then SIGTERM) must not end the cleaning up.
    for each in STOPS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def judgement(found: Judged, waived: Waivers, beside: str = "") -> Judgement:
    """Return a figure as reports show it; ``beside``: what its name ends with."""
    return against_before(
        f"{found.series.figure} of {found.series.route}{beside}",
        _OUTCOMES[found.outcome],
        before=found.before,
        most=found.before * (1 + MIN_EFFECT),
        now=found.after,
        text=lambda value: f"{value:,.1f} ms",
        reason=found.reason,
        waived=waived,
    )
