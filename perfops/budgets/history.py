"""The history of a budget: what each run said, and what happened between the runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models.fields.json import KT

from perfops.budgets import selectors
from perfops.budgets.metrics.registry import metric_of
from perfops.budgets.selectors import Judgement
from perfops.models.budgets import Budget
from perfops.models.decisions import BudgetChange
from perfops.models.runs import LoadRun
from perfops.statistics import changes

MOST_RUNS = 1000


@dataclass(frozen=True, slots=True)
class Happening:
    """``place``: of the first run after it. ``kind``: change point, deploy, migration, budget."""

    place: int
    kind: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class History:
    judgements: list[Judgement]
    happenings: list[Happening]


def read(budget: Budget, limit: int = MOST_RUNS) -> History:
    """Return the last ``limit`` runs of ``budget``, oldest first. Four queries."""
    judged = selectors.history(budget, limit)
    if not judged:
        return History([], [])
    found = [*_change_points(budget, judged), *_deploys(judged), *_of_budget(budget, judged)]
    return History(judged, sorted(found, key=lambda each: (each.place, each.kind)))


def _change_points(budget: Budget, judged: list[Judgement]) -> list[Happening]:
    metric = metric_of(budget)
    known = [(n, each.value) for n, each in enumerate(judged) if each.value is not None]
    found = changes.change_points([value for _, value in known])
    return [
        Happening(
            known[each.place][0],
            "change point",
            f"{metric.text(each.before)} → {metric.text(each.after)} ({each.effect:+.0%}, "
            f"p {'< 0.0001' if each.p < 0.0001 else f'= {each.p:.4f}'})",
            judged[known[each.place][0]].at,
        )
        for each in found
    ]


def _deploys(judged: list[Judgement]) -> list[Happening]:
    """Return where the target's commit or migrations are others than in the run before."""
    rows = LoadRun.objects.filter(pk__in=[each.run_id for each in judged]).values_list(
        "pk", KT("fingerprint__commit"), KT("fingerprint__migrations")
    )
    of = {pk: (commit, migrations) for pk, commit, migrations in rows}
    found: list[Happening] = []
    last: tuple[Any, Any] = (None, None)
    for place, each in enumerate(judged):
        now = of.get(each.run_id, (None, None))
        if last[0] and now[0] and now[0] != last[0]:
            text = f"{last[0][:10]} → {now[0][:10]}"
            found.append(Happening(place, "deploy", text, each.at))
        if last[1] and now[1] and now[1] != last[1]:
            found.append(Happening(place, "migration", "other migrations", each.at))
        last = (now[0] or last[0], now[1] or last[1])
    return found


def _of_budget(budget: Budget, judged: Sequence[Judgement]) -> list[Happening]:
    """Return the changes of the budget since the first of the runs; also of one deleted before."""
    rows = BudgetChange.objects.filter(name=str(budget), created_at__gte=judged[0].at)
    last = len(judged) - 1
    return [
        Happening(
            next((n for n, each in enumerate(judged) if each.at >= row.created_at), last),
            "budget",
            f"{row.what} {f'({row.why})' if row.why else ''}".strip(),
            row.created_at,
        )
        for row in rows.order_by("pk")
    ]
