"""Reading budgets and what runs made of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.utils import timezone

from perfops.budgets import waivers
from perfops.budgets.metrics.registry import metric_of
from perfops.budgets.prometheus import rule_file
from perfops.budgets.prometheus import rules as rules_of_budgets
from perfops.budgets.prometheus.rule_file import Group, render
from perfops.budgets.waivers import Waivers
from perfops.models.budgets import Budget, Evaluation
from perfops.models.runs import LoadRun

Outcome = Evaluation.Outcome
LABELS = {
    Outcome.MET: "met",
    Outcome.NEAR: "near",
    Outcome.VIOLATED: "violated",
    Outcome.UNKNOWN: "unknown",
}
WAIVED = "violated, waived"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A budget held against a run, with its figures as a person reads them."""

    # None of a budget that has been deleted since, and of figures that are no budget's.
    budget_id: int | None
    name: str
    action: str
    outcome: str
    label: str
    value: float | None
    threshold: float
    target: float
    value_text: str
    target_text: str
    threshold_text: str
    # Room to the threshold as a share of it; below 0 it is violated.
    margin: float | None
    reason: str
    run_id: int
    at: datetime
    # A violation that fails nothing: ``reason`` says until when, and why.
    is_waived: bool = False
    # The budget's; empty for all together.
    route: str = ""
    # Of the waiver that covers it, or has ended; part of ``reason`` too.
    waiver_text: str = ""

    @property
    def is_broken(self) -> bool:
        return self.outcome == Outcome.VIOLATED and not self.is_waived

    @property
    def margin_text(self) -> str:
        if self.margin is None:
            return "-"
        if self.margin >= 0:
            return f"within the limit by {self.margin:.0%}"
        return f"beyond the limit by {-self.margin:.0%}"


def against_before(
    name: str,
    outcome: Outcome,
    *,
    before: float,
    most: float,
    now: float | None,
    text: Callable[[float], str],
    reason: str,
    waived: Waivers,
) -> Judgement:
    """Return a figure held against what it was ``before``: a gate that is no budget's row."""
    at = timezone.now()
    is_violated = outcome is Outcome.VIOLATED
    is_waived = is_violated and waived.covers(name, at)
    sentence = waived.sentence(name, at, violated=is_violated)
    return Judgement(
        budget_id=None,
        name=name,
        action=Budget.Action.FAIL,
        outcome=outcome,
        label=WAIVED if is_waived else LABELS[outcome],
        value=now,
        threshold=most,
        target=before,
        value_text="-" if now is None else text(now),
        target_text=text(before),
        threshold_text=text(most),
        margin=None if now is None else (most - now) / (most or 1),
        reason=f"{reason} {sentence}".strip(),
        run_id=0,
        at=at,
        is_waived=is_waived,
    )


def of_run(run: LoadRun) -> list[Judgement]:
    """Return every evaluation of ``run``, in the budgets' order; deleted ones last. Two queries."""
    return _judgements(_judged(run.evaluations.order_by(F("budget_id").asc(nulls_last=True), "pk")))


def with_newest() -> list[Budget]:
    """Return every budget, each with ``newest``: the id of the newest evaluation that could tell.

    One query.
    """
    evaluated = Evaluation.objects.filter(budget=OuterRef("pk")).exclude(outcome=Outcome.UNKNOWN)
    newest = Subquery(evaluated.order_by("-run_id").values("pk")[:1])
    return list(Budget.objects.annotate(newest=newest).order_by("pk"))


def latest(budgets: list[Budget] | None = None) -> dict[int, Judgement]:
    """Return the newest judgement that could tell, by budget.

    ``budgets``: what ``with_newest`` returned, for who has asked already. Three queries, two then.
    """
    every = with_newest() if budgets is None else budgets
    # By their keys: joined, PostgreSQL would read the evaluations of all runs.
    keys = [getattr(each, "newest", None) for each in every]
    found = Evaluation.objects.filter(pk__in=[key for key in keys if key is not None])
    return {each.budget_id: each for each in _judgements(_judged(found)) if each.budget_id}


def history(budget: Budget, limit: int = 50) -> list[Judgement]:
    """Return the last ``limit`` judgements of its metric and route, oldest first. Two queries.

    Those of a budget that was deleted, and made again, are among them.
    """
    of_it = Evaluation.objects.filter(metric=budget.metric, route=budget.route)
    return _judgements(_judged(of_it.order_by("-run_id", "-pk"))[:limit])[::-1]


def of_evaluations(rows: QuerySet[Evaluation]) -> list[Judgement]:
    """Return evaluations as a person reads them. Two queries."""
    return _judgements(_judged(rows))


def _judgements(rows: QuerySet[Evaluation]) -> list[Judgement]:
    waived = waivers.read()
    return [judgement(row, waived) for row in rows]


def _judged(rows: QuerySet[Evaluation]) -> QuerySet[Evaluation]:
    """Return ``rows`` with their budgets and the times of their runs, not all that a run holds."""
    wide = ("plan", "fingerprint", "summary", "server", "reasons", "log")
    return rows.select_related("budget", "run").defer(*(f"run__{name}" for name in wide))


def rules() -> str:
    """Return the rules file that Prometheus reads, made from every enabled budget. One query."""
    return render(_rule_groups(), comment=rules_of_budgets.COMMENT)


def rules_as_data() -> list[dict[str, Any]]:
    """Return the groups of ``rules()`` in Prometheus' own words, for a program. One query."""
    return list(map(rule_file.as_data, _rule_groups()))


def _rule_groups() -> list[Group]:
    return rules_of_budgets.groups(Budget.objects.filter(enabled=True).order_by("id"))


def judgement(row: Evaluation, waived: Waivers) -> Judgement:
    """Return the evaluation as a person reads it, with the waiver of its time."""
    budget = row.judged
    measure = metric_of(budget)
    name, is_violated = str(budget), row.outcome == Outcome.VIOLATED
    is_waived = is_violated and waived.covers(name, row.created_at)
    sentence = waived.sentence(name, row.created_at, violated=is_violated)
    since = "This budget has been deleted since." if row.budget_id is None else ""
    return Judgement(
        budget_id=row.budget_id,
        name=name,
        action=budget.action,
        outcome=row.outcome,
        label=WAIVED if is_waived else LABELS[Outcome(row.outcome)],
        value=row.value,
        threshold=row.threshold,
        target=row.target,
        value_text=measure.text(row.value),
        target_text=measure.bound_text(row.target),
        threshold_text=measure.bound_text(row.threshold),
        margin=None if row.value is None else measure.margin(row.value, row.threshold),
        reason=" ".join(filter(None, (row.reason, sentence, since))),
        run_id=row.run_id,
        at=row.run.created_at,
        is_waived=is_waived,
        route=budget.route,
        waiver_text=sentence,
    )
