"""Alerts: once when a budget begins to be violated, and when that is over."""

from dataclasses import dataclass

from perfops.budgets import alert_causes, selectors
from perfops.budgets.alert_causes import AlertCause
from perfops.budgets.selectors import Judgement
from perfops.formatting import count_text
from perfops.models.budgets import Budget, Evaluation
from perfops.models.runs import LoadRun

Outcome = Evaluation.Outcome
_ALERTING = (Budget.Action.FAIL, Budget.Action.ALERT)


@dataclass(frozen=True, slots=True)
class Alert:
    """What a run changed: budgets that are violated since, and those that hold again.

    ``waived``: violations that go on, and fail nothing since somebody has waived them. ``causes``:
    of the violations that began.
    """

    run: LoadRun
    begun: tuple[Judgement, ...]
    over: tuple[Judgement, ...]
    waived: tuple[Judgement, ...] = ()
    causes: tuple[AlertCause, ...] = ()

    @property
    def subject(self) -> str:
        parts = [
            *([f"{count_text(len(self.begun), 'budget')} violated"] if self.begun else []),
            *([f"{count_text(len(self.over), 'violation')} over"] if self.over else []),
            *([f"{count_text(len(self.waived), 'violation')} waived"] if self.waived else []),
        ]
        return f"{self.run.scenario}: {', '.join(parts)} (run {self.run.pk})"

    @property
    def lines(self) -> list[str]:
        return [
            f"Run {self.run.pk} of {self.run.scenario} against {self.run.target}.",
            *(f"VIOLATED: {_line(each)}" for each in self.begun),
            *(f"CAUSE: {each.line}" for each in self.causes),
            *(f"OVER: {_line(each)}" for each in self.over),
            *(f"WAIVED: {_line(each)}" for each in self.waived),
        ]


def _line(each: Judgement) -> str:
    return f"{each.name} is {each.value_text}; it must be {each.threshold_text}. {each.reason}"


def of_run(run: LoadRun) -> Alert | None:
    """Return what ``run`` changed against the run that could tell before it; None for nothing.

    Runs of one scenario and target are one series. An invalid run proves nothing and says nothing;
    what is waived for longer, and budgets that only warn, say nothing.
    """
    if run.state != LoadRun.State.FINISHED or run.verdict in {"", LoadRun.Verdict.INVALID}:
        return None
    begun: list[Judgement] = []
    over: list[Judgement] = []
    waived: list[Judgement] = []
    broken_before = _broken_before(run)
    for each in selectors.of_run(run):
        if (
            each.action not in _ALERTING
            or each.outcome == Outcome.UNKNOWN
            or each.budget_id is None
        ):
            continue
        was_broken = each.budget_id in broken_before
        if each.is_broken and not was_broken:
            begun.append(each)
        elif was_broken and not each.is_broken:
            (waived if each.is_waived else over).append(each)
    if not begun and not over and not waived:
        return None
    causes = alert_causes.of_run(run, begun)
    return Alert(run, tuple(begun), tuple(over), tuple(waived), causes)


def _broken_before(run: LoadRun) -> set[int | None]:
    """Return the budgets that the last run before ``run`` that could tell has found violated."""
    rows = Evaluation.objects.filter(
        budget__isnull=False, run_id__lt=run.pk, run__state=LoadRun.State.FINISHED,
        run__scenario=run.scenario, run__target=run.target,
    )  # fmt: skip
    known = rows.exclude(outcome=Outcome.UNKNOWN).exclude(run__verdict=LoadRun.Verdict.INVALID)
    last = known.order_by("budget_id", "-run_id").distinct("budget_id")
    return {each.budget_id for each in selectors.of_evaluations(last) if each.is_broken}
