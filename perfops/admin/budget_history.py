"""The page of a budget's history: chart, what happened, the runs; and all of them as CSV."""

import csv
from collections import defaultdict
from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from perfops.admin import badges
from perfops.budgets.history import Happening, History
from perfops.budgets.metrics.metric import SHARE
from perfops.budgets.metrics.registry import metric_of
from perfops.charts import Bound, Chart, Event, Line, chart
from perfops.formatting import count_text
from perfops.models.budgets import Budget

_STYLES = {
    "change point": "po-line-bad",
    "deploy": "po-line-2",
    "migration": "po-line-4",
    "budget": "po-line-3",
}
# The newest in the table, and the most of them for who asks for more; the CSV has all.
_ROWS, _MOST_ROWS = 20, 100


def context(budget: Budget, found: History, *, is_long: bool = False) -> dict[str, Any]:
    """Return what ``perfops/budget_history.html`` shows; ``is_long``: with more runs."""
    by_place: dict[int, list[str]] = defaultdict(list)
    for each in found.happenings:
        by_place[each.place].append(f"{each.kind}: {each.text}")
    rows = [
        {
            "run": judged.run_id,
            "url": reverse("admin:perfops_loadrun_change", args=[judged.run_id]),
            "judged": judged,
            "badge": badges.of_judgement(judged),
            "happened": by_place[place],
        }
        for place, judged in enumerate(found.judgements)
    ]
    return {
        "chart": drawn(budget, found),
        "happenings": [
            {
                "style": _STYLES[each.kind],
                "kind": each.kind,
                "text": each.text,
                "at": each.at,
                "run": found.judgements[each.place].run_id,
                "url": rows[each.place]["url"],
            }
            for each in reversed(found.happenings)
        ],
        "rows": rows[: -(_MOST_ROWS if is_long else _ROWS) - 1 : -1],
        "count": len(rows),
        "most": _MOST_ROWS,
        "kinds": _STYLES.items(),
    }


def drawn(budget: Budget, found: History) -> Chart | None:
    """Return the values over the runs, scaled to them; one that can't tell is a gap."""
    judged = found.judgements
    if not judged:
        return None
    measure = metric_of(budget)
    factor, unit = (100, "%") if measure.unit == SHARE else (1, measure.unit.name)
    places = list(range(len(judged)))
    values = [None if each.value is None else each.value * factor for each in judged]
    return chart(
        f"{budget} over the last {count_text(len(judged), 'run')}, in {unit}",
        xs=places,
        x_text=lambda place: f"run {judged[int(place)].run_id}" if place in places else "",
        y_text=lambda value: measure.text(value / factor),
        lines=[Line(str(budget), "po-line-1", values)],
        bounds=[
            Bound(f"{name} {measure.bound_text(bound)}", f"po-{name}", bound * factor)
            for name, bound in (("target", budget.target), ("threshold", budget.threshold))
        ],
        x_label="run",
        events=[_event(each) for each in found.happenings],
        from_zero=False,
    )


def _event(each: Happening) -> Event:
    return Event(each.place, f"{each.kind}: {each.text}", _STYLES[each.kind])


def as_csv(budget: Budget, found: History) -> HttpResponse:
    """Answer with all runs, oldest first; values in the units of ``Budget``, times in UTC."""
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="budget-{budget.pk}.csv"'
    out = csv.writer(answer)
    out.writerow(["run", "at", "value", "target", "threshold", "outcome", "waived", "happened"])
    by_place: dict[int, list[str]] = defaultdict(list)
    for each in found.happenings:
        by_place[each.place].append(f"{each.kind}: {each.text}")
    for place, judged in enumerate(found.judgements):
        out.writerow(
            [
                judged.run_id, judged.at.isoformat(), "" if judged.value is None else judged.value,
                judged.target, judged.threshold, judged.outcome, judged.is_waived,
                " | ".join(by_place[place]),
            ]
        )  # fmt: skip
    return answer
