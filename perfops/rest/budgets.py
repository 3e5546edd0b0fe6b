"""Budgets over REST: list and one, with what the newest run made of each."""

from typing import Any

from django.http import HttpRequest
from ninja import Path

from perfops.budgets import selectors
from perfops.budgets.selectors import Judgement
from perfops.models.budgets import Budget
from perfops.rest import pages
from perfops.rest.access import Refused
from perfops.rest.runs import judged


def listed(
    request: HttpRequest, limit: pages.Limit = pages.DEFAULT_LIMIT, cursor: pages.Cursor = None
) -> dict[str, Any]:
    """Budgets with their last outcome and margin, the newest budget first."""
    found, following = pages.cut(request, Budget.objects.all(), limit, cursor)
    last = selectors.latest()
    return {"results": [_row(each, last.get(each.pk)) for each in found], "next": following}


def one(request: HttpRequest, id: int = Path(le=pages.LARGEST_KEY)) -> dict[str, Any]:  # type: ignore[type-arg]  # noqa: A002
    """A budget with its last outcome and margin."""
    budget = Budget.objects.filter(pk=id).first()
    if budget is None:
        raise Refused(404, f"There is no budget {id}.")
    return _row(budget, selectors.latest().get(budget.pk))


def _row(budget: Budget, last: Judgement | None) -> dict[str, Any]:
    return {
        "id": budget.pk,
        "name": str(budget),
        "metric": budget.metric,
        "route": budget.route,
        "target": budget.target,
        "threshold": budget.threshold,
        "action": budget.action,
        "enabled": budget.enabled,
        "last": None if last is None else judged(last),
    }
