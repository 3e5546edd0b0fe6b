"""Which profile an address means, and what somebody may do with it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from midst.kernel.problems import NOT_FOUND, NOT_YOURS, Problem
from profiles.models import SLUG, Profile


@dataclass(frozen=True, slots=True)
class Reached:
    """A profile that somebody may see; ``mine``: and change, being its owner or staff."""

    id: UUID
    slug: str
    owner_id: int
    mine: bool


def address(reference: str) -> str:
    """Return the one spelling of a profile's id or slug. Raises ``Problem`` (404)."""
    try:
        return str(UUID(reference))
    except ValueError:
        if SLUG.fullmatch(reference):
            return reference
    raise nowhere()


def identity(reference: str) -> dict[str, Any]:
    """Return the look-up for an id or a slug. Raises ``Problem`` (404) for what can be neither."""
    spelled = address(reference)
    try:
        return {"id": UUID(spelled)}
    except ValueError:
        return {"slug": spelled}


def reach(reference: str, user: Any) -> Reached:
    """Return the profile with this id or slug, as far as ``user`` may know of it. One query.

    Raises ``Problem`` (404).
    """
    row = (
        Profile.objects.visible_to(user)
        .filter(**identity(reference))
        .values("id", "slug", "owner_id")
        .first()
    )
    if row is None:
        raise nowhere()
    return Reached(**row, mine=is_mine(row["owner_id"], user))


def reach_own(reference: str, user: Any) -> Reached:
    """The same, for what only its owner and staff may do. Raises ``Problem``: 404, 403."""
    reached = reach(reference, user)
    if not reached.mine:
        raise Problem(NOT_YOURS, "This is for the profile's owner.")
    return reached


def lock_own(reference: str, user: Any) -> Profile:
    """The same, locked until the transaction ends: all writes to one profile come in a row."""
    profile = (
        Profile.objects.visible_to(user)
        .filter(**identity(reference))
        .select_for_update(no_key=True)
        .first()
    )
    if profile is None:
        raise nowhere()
    if not is_mine(profile.owner_id, user):
        raise Problem(NOT_YOURS, "This is for the profile's owner.")
    return profile


def is_mine(owner_id: int, user: Any) -> bool:
    return bool(user.is_authenticated and (user.is_staff or owner_id == user.pk))


def nowhere() -> Problem:
    return Problem(NOT_FOUND, "There is no such profile.")
