"""What people do with findings: acknowledge, mute, open again, assign, comment.

Each act is one transaction, on as many findings as are given, and leaves an event for each of them
that it changed: who did it and when. ``by``: a user, None where nobody is known.
"""

from collections.abc import Collection
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from perfops.models.analyses import Finding
from perfops.models.decisions import FindingEvent

Action = FindingEvent.Action
Status = Finding.Status
_HIDDEN = (Status.ACKNOWLEDGED, Status.MUTED)
_LONGEST_REASON = 300


class NotMuted(ValueError):
    """A mute needs a reason and an end; the message says which is missing."""


class NothingSaid(ValueError):
    """A comment needs a text."""


def acknowledge(finding_ids: Collection[int], *, by: Any = None) -> int:
    """Note that someone works on those that are open; return how many there were."""
    return _change(finding_ids, (Status.OPEN,), Action.ACKNOWLEDGED, by, status=Status.ACKNOWLEDGED)


def mute(finding_ids: Collection[int], *, until: date, reason: str, by: Any = None) -> int:
    """Hide those that are not resolved until the day ``until``; return how many there were.

    Raises ``NotMuted`` without a reason, or where ``until`` is not in the future.
    """
    reason = reason.strip()[:_LONGEST_REASON]
    if not reason:
        raise NotMuted("Say why: whoever finds it muted will ask.")
    if until <= timezone.now().date():
        raise NotMuted(f"{until} is not in the future.")
    return _change(
        finding_ids,
        (Status.OPEN, *_HIDDEN),
        Action.MUTED,
        by,
        f"until {until}: {reason}",
        status=Status.MUTED,
        muted_until=until,
        mute_reason=reason,
    )


def reopen(finding_ids: Collection[int], *, by: Any = None) -> int:
    """Undo acknowledgements and mutes; return how many there were."""
    return _change(
        finding_ids,
        _HIDDEN,
        Action.REOPENED,
        by,
        status=Status.OPEN,
        muted_until=None,
        mute_reason="",
    )


def assign(finding_ids: Collection[int], to: Any, *, by: Any = None) -> int:
    """Give those that are not resolved to the user ``to`` (None: to nobody); return how many."""
    text = f"to {to.get_username()}" if to is not None else "to nobody"
    return _change(finding_ids, (Status.OPEN, *_HIDDEN), Action.ASSIGNED, by, text, assignee=to)


def comment(finding_id: int, text: str, *, by: Any = None) -> FindingEvent:
    """Add what ``by`` says about a finding. Raises ``NothingSaid``."""
    if not text.strip():
        raise NothingSaid("Write something.")
    return FindingEvent.objects.create(
        finding_id=finding_id, action=Action.COMMENTED, text=text.strip(), **_actor(by)
    )


def _change(
    finding_ids: Collection[int],
    statuses: tuple[Status, ...],
    action: FindingEvent.Action,
    by: Any,
    text: str = "",
    **fields: object,
) -> int:
    with transaction.atomic():
        # In one order: two who act at once, or an analysis that ends meanwhile, wait.
        rows = Finding.objects.select_for_update().filter(pk__in=finding_ids, status__in=statuses)
        changed = list(rows.order_by("pk").values_list("pk", flat=True))
        Finding.objects.filter(pk__in=changed).update(**fields)
        FindingEvent.objects.bulk_create(
            FindingEvent(finding_id=pk, action=action, text=text, **_actor(by)) for pk in changed
        )
    return len(changed)


def _actor(by: Any) -> dict[str, Any]:
    return {"actor": by, "actor_name": by.get_username() if by is not None else ""}
