"""Waivers over REST: a violation is accepted until a time, for a reason; or no longer."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Path

from perfops.budgets import waivers
from perfops.models.decisions import Waiver
from perfops.rest import pages
from perfops.rest.access import Refused, note, user_of
from perfops.rest.schemas import NewWaiver


def listed(
    request: HttpRequest, limit: pages.Limit = pages.DEFAULT_LIMIT, cursor: pages.Cursor = None
) -> dict[str, Any]:
    """Waivers, those that have ended as well, the newest first."""
    rows = Waiver.objects.select_related("created_by")
    found, following = pages.cut(request, rows, limit, cursor)
    return {"results": [_row(each) for each in found], "next": following}


def waive(request: HttpRequest, given: NewWaiver) -> dict[str, Any]:
    """Accept violations of `budget`, named as reports name it, until `ends_at`."""
    field = "budget"
    try:
        waivers.checked_name(given.budget)
        field = "ends_at"
        waivers.checked_end(given.ends_at)
    except waivers.NotWaivable as error:
        raise Refused(422, str(error), errors=[(f"body.{field}", str(error))]) from error
    waiver = Waiver.objects.create(
        budget=given.budget,
        reason=given.reason,
        ends_at=given.ends_at,
        created_by=user_of(request),
    )
    note(request, "waive a budget", f"waiver {waiver.pk} ({waiver})")
    return _row(waiver)


def end(request: HttpRequest, id: int = Path(le=pages.LARGEST_KEY)) -> dict[str, Any]:  # type: ignore[type-arg]  # noqa: A002
    """End a waiver now: the next violation counts again."""
    ended = waivers.end_now(id)
    waiver = Waiver.objects.select_related("created_by").filter(pk=id).first()
    if waiver is None:
        raise Refused(404, f"There is no waiver {id}.")
    if not ended:
        raise Refused(409, f"Waiver {id} has ended already.")
    note(request, "end a waiver", f"waiver {id} ({waiver})")
    return _row(waiver)


def _row(waiver: Waiver) -> dict[str, Any]:
    by = waiver.created_by
    return {
        "id": waiver.pk,
        "budget": waiver.budget,
        "reason": waiver.reason,
        "ends_at": waiver.ends_at,
        "counts": waiver.ends_at > timezone.now(),
        "created_by": by.get_username() if by else None,
        "created_at": waiver.created_at,
    }
