"""From numbers to a verdict: *valid?* comes before *good?*."""

from perfops.budgets import services as budgets
from perfops.budgets.metrics import MEASURES
from perfops.models.budgets import Budget, Evaluation
from perfops.models.runs import LoadRun

Verdict = LoadRun.Verdict


def decide(run: LoadRun, validity_errors: list[str], *, judged: bool) -> tuple[Verdict, list[str]]:
    """Return the verdict on a measured run and the sentences behind it.

    ``validity_errors``: why it is not valid. A scenario that is not ``judged`` (stress) gets none.
    """
    if validity_errors:
        return Verdict.INVALID, validity_errors
    if not judged:
        held = run.summary["sustained_throughput"]
        return Verdict.NONE, [f"Not judged by budgets. The most it held was {held:,.0f} req/s."]
    return weigh(budgets.evaluate(run))


def weigh(evaluations: list[Evaluation]) -> tuple[Verdict, list[str]]:
    """Return what the evaluations amount to. No budget at all proves nothing: invalid."""
    if not evaluations:
        return Verdict.INVALID, ["No budget is enabled: there is nothing to judge by."]
    violated = [e for e in evaluations if e.outcome == Evaluation.Outcome.VIOLATED]
    unknown = [
        e
        for e in evaluations
        if e.outcome == Evaluation.Outcome.UNKNOWN and e.budget.action == Budget.Action.FAIL
    ]
    reasons = [_sentence(e) for e in violated]
    if any(e.budget.action == Budget.Action.FAIL for e in violated):
        return Verdict.FAILED, reasons
    if unknown:
        return Verdict.INVALID, [f"{e.budget}: {e.reason}" for e in unknown]
    if violated:
        return Verdict.WARNED, reasons
    return Verdict.PASSED, ["Every budget that this run can tell about holds."]


def _sentence(evaluation: Evaluation) -> str:
    measure = MEASURES[evaluation.budget.metric]
    return (
        f"{evaluation.budget} is {measure.text(evaluation.value)}; "
        f"it must be {measure.bound_text(evaluation.threshold)}."
    )
