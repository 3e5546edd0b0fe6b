"""From numbers to a verdict: fail, invalid, warn or pass."""

from django.utils import timezone

from perfops.budgets import services as budgets
from perfops.budgets import waivers
from perfops.budgets.metrics.registry import metric_of
from perfops.formatting import count_text
from perfops.load import steering
from perfops.load.k6 import CROSSED_THRESHOLD
from perfops.load.validity import VALID, ValidityErrors
from perfops.models.budgets import Budget, Evaluation
from perfops.models.runs import LoadRun
from perfops.statistics.limits import Limit

Verdict = LoadRun.Verdict
Outcome = Evaluation.Outcome


def decide(run: LoadRun, errors: ValidityErrors, *, judged: bool) -> tuple[Verdict, list[str]]:
    """Return the verdict on a measured run and the sentences behind it.

    What was measured may break a budget even where requests were dropped or timed out: those
    could only make it worse, so the run *fails*. It is *invalid* when nothing is proved and
    ``errors`` says why it can't be valid. A scenario that is not ``judged`` gets no verdict.
    """
    if "find_limit" in run.plan:
        return _of_limit(run, errors)
    if not judged:
        changed = _changed(run)
        if errors:
            return Verdict.INVALID, [*errors.reasons, *changed]
        if changed:
            return Verdict.NONE, changed
        held = run.summary["sustained_throughput"]
        return Verdict.NONE, [f"Not judged by budgets. The most it held was {held:,.0f} req/s."]
    verdict, reasons = weigh(budgets.evaluate(run), errors)
    return verdict, [*reasons, *_aborted(run), *_unanswered(run)]


def _changed(run: LoadRun) -> list[str]:
    changes = steering.of_row(run.summary)
    if not changes:
        return []
    several = "; ".join(each.sentence() for each in changes)
    why = "no budget judges a run of several plans, and it is compared with no other."
    return [f"Its rate was changed by hand {several}: {why}"]


def _aborted(run: LoadRun) -> list[str]:
    if "abort" not in run.plan or run.summary.get("k6_exit_code") != CROSSED_THRESHOLD:
        return []
    after_s = run.summary["duration_s"]
    return [f"Ended after {after_s:,.0f} s, as all that it had measured broke a budget."]


def _unanswered(run: LoadRun) -> list[str]:
    number = run.summary.get("unanswered", 0)
    if not number:
        return []
    sentence = (
        f"{count_text(number, 'request')} had no answer when the run ended. Each counts with the "
        "time that it had waited by then, which is the least that it takes."
    )
    return [sentence]


def _of_limit(run: LoadRun, errors: ValidityErrors) -> tuple[Verdict, list[str]]:
    """A run that sought the limit: valid, and judged where a budget is about the limit."""
    found = Limit.from_row(run.summary["limit"])
    sentence = found.sentence()
    if errors:
        return Verdict.INVALID, [*errors.reasons, sentence]
    evaluations = budgets.evaluate(run)
    if not evaluations:
        return Verdict.NONE, [sentence, "No budget on the highest rate is enabled."]
    verdict, reasons = weigh(evaluations)
    return verdict, [*reasons, sentence]


def weigh(
    evaluations: list[Evaluation], errors: ValidityErrors = VALID
) -> tuple[Verdict, list[str]]:
    """Return what the evaluations amount to. No budget at all proves nothing: invalid.

    A violation that is waived fails nothing, and is a warning.
    """
    known, at = waivers.read(), timezone.now()
    failing = [e for e in evaluations if _fails(e) and not known.covers(str(e.judged), at)]
    proved = [_sentence(e) for e in failing if _is_proved(e, errors)]
    if proved:
        return Verdict.FAILED, [*proved, *errors.reasons]
    # Why what was violated fails nothing: a generator that was only late is no error of the run.
    late = [errors.generator] if failing and errors.generator not in {"", *errors.reasons} else []
    if errors or late:
        return Verdict.INVALID, [*late, *errors.reasons]
    if not evaluations:
        return Verdict.INVALID, ["No budget is enabled: there is nothing to judge by."]
    unknown = [e for e in evaluations if e.outcome == Outcome.UNKNOWN and _is_gate(e)]
    if unknown:
        return Verdict.INVALID, [f"{e.judged}: {e.reason}" for e in unknown]
    violated = [_sentence(e) for e in evaluations if e.outcome == Outcome.VIOLATED]
    if violated:
        return Verdict.WARNED, violated
    return Verdict.PASSED, ["Every budget that this run measured holds."]


def _is_gate(evaluation: Evaluation) -> bool:
    return evaluation.judged.action == Budget.Action.FAIL


def _fails(evaluation: Evaluation) -> bool:
    return evaluation.outcome == Outcome.VIOLATED and _is_gate(evaluation)


def _is_proved(evaluation: Evaluation, errors: ValidityErrors) -> bool:
    """A generator that was starved, or never reached the target, slows requests down itself."""
    if errors.nothing_measured:
        return False
    metric = metric_of(evaluation.judged)
    if not (errors.generator and metric.depends_on_generator):
        return True
    # Late, but not starved: from sending on, the time is the server's.
    sent = evaluation.run.summary.get("latency_ms", {}).get(getattr(metric, "name", ""))
    is_late_only = not errors and not evaluation.judged.route
    return is_late_only and sent is not None and not metric.holds(sent, evaluation.threshold)


def _sentence(evaluation: Evaluation) -> str:
    metric = metric_of(evaluation.judged)
    return (
        f"{evaluation.judged} is {metric.text(evaluation.value)}; "
        f"it must be {metric.bound_text(evaluation.threshold)}."
    )
