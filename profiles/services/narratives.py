"""Narratives are written, generated through a mask, approved and rejected."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from midst.kernel.problems import CONFLICT, NOT_FOUND, Problem, invalid
from profiles import narration
from profiles.collections import NARRATIVES
from profiles.models import Narrative, Profile, UsageQuota
from profiles.selectors import narratives as selectors
from profiles.services import collections, quotas
from taxonomy import selectors as taxonomy

_STATUS = Narrative.Status


def prepare(row: Narrative, profile: Profile, fields: dict[str, Any]) -> None:
    """Count a new narrative against the quota; make a changed one a draft again."""
    if "mask_id" in fields:
        # It locks the owner: before the usage is, as an import does.
        quotas.require_mask(profile, fields["mask_id"], instead_of=row)
    if row._state.adding:
        quotas.consume(profile, UsageQuota.Feature.NARRATIVES)
    collections.as_sent(row, profile, fields)
    if fields:
        row.status, row.approved_at, row.approved_by = _STATUS.DRAFT, None, None


def generate(
    reference: str, user: Any, *, mask: str | None, as_of: date | None
) -> tuple[UUID, bytes]:
    """Write a draft through a mask (None: the profile's default); return its id and its JSON.

    Raises ``Problem``: 404 for the profile or the mask, 403 when the quota is used up, 422.
    """
    as_of = as_of or datetime.now(UTC).date()

    def write(row: Narrative, profile: Profile, fields: dict[str, Any]) -> None:
        view = _mask(profile, mask)
        blocks = narration.narrate(selectors.material(profile.pk), view, as_of=as_of)
        made = {"generated": {"mask": view.slug, "as_of": as_of.isoformat()}}
        prepare(row, profile, {"mask_id": view.id, "blocks": blocks, "meta": made})

    return collections.create(NARRATIVES, reference, user, {}, write)


def approve(request: HttpRequest, reference: str, key: UUID, user: Any) -> bytes:
    """Make a narrative public. Raises ``Problem``: 404, 403, 409 when it is approved already."""

    def act(row: Narrative) -> None:
        _refuse_if(row, _STATUS.APPROVED)
        row.status, row.approved_at, row.approved_by = _STATUS.APPROVED, datetime.now(UTC), user

    return collections.act(NARRATIVES, request, reference, key, user, act)


def reject(request: HttpRequest, reference: str, key: UUID, user: Any, *, note: str) -> bytes:
    """Reject a narrative, with a note what to change. Raises ``Problem``: 404, 403, 409."""

    def act(row: Narrative) -> None:
        _refuse_if(row, _STATUS.REJECTED)
        row.status, row.approved_at, row.approved_by = _STATUS.REJECTED, None, None
        row.revision_note = note

    return collections.act(NARRATIVES, request, reference, key, user, act)


def _refuse_if(row: Narrative, status: str) -> None:
    if row.status == status:
        raise Problem(CONFLICT, f"The narrative is {status} already.")


def _mask(profile: Profile, slug: str | None) -> Any:
    if slug is None and profile.default_mask_id is None:
        raise invalid("body.mask", "is needed: the profile has no default mask")
    filters = {"pk": profile.default_mask_id} if slug is None else {"slug": slug}
    found = taxonomy.mask_views(**filters)
    if not found:
        raise Problem(NOT_FOUND, f"There is no mask {slug!r}.")
    return found[0]
