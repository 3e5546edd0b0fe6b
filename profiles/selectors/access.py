"""Finds the profile that an address names, and says what a user may do with it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from midst.kernel.problems import NOT_FOUND, NOT_YOURS, Problem
from profiles.models import SLUG, Profile


@dataclass(frozen=True, slots=True)
class ProfileAccess:
    """A profile that a user may see. ``can_edit``: the user is its owner or staff."""

    id: UUID
    slug: str
    owner_id: int
    can_edit: bool


def address(reference: str) -> str:
    """Return the canonical spelling of a profile's id or slug. Raises ``Problem`` (404)."""
    try:
        # ``UUID`` also reads braces, "urn:uuid:", spaces and other digits.
        is_canonical = str(UUID(reference)) == reference
    except ValueError:
        is_canonical = SLUG.fullmatch(reference) is not None
    if not is_canonical:
        raise not_found()
    return reference


def identity(reference: str) -> dict[str, Any]:
    """Return the filter for an id or a slug. Raises ``Problem`` (404) for other texts."""
    spelled = address(reference)
    try:
        return {"id": UUID(spelled)}
    except ValueError:
        return {"slug": spelled}


def resolve_profile(reference: str, user: Any) -> ProfileAccess:
    """Return what ``user`` may do with the profile of this id or slug. One query.

    Raises ``Problem`` (404) when there is none, or none that ``user`` may see.
    """
    row = (
        Profile.objects.visible_to(user)
        .filter(**identity(reference))
        .values("id", "slug", "owner_id")
        .first()
    )
    if row is None:
        raise not_found()
    return ProfileAccess(**row, can_edit=can_edit(row["owner_id"], user))


def resolve_own_profile(reference: str, user: Any) -> ProfileAccess:
    """Return a profile that ``user`` may change. Raises ``Problem``: 404, 403."""
    access = resolve_profile(reference, user)
    if not access.can_edit:
        raise Problem(NOT_YOURS, "This is for the profile's owner.")
    return access


def lock_own_profile(reference: str, user: Any) -> Profile:
    """Return a profile that ``user`` may change, locked until the transaction ends.

    Every write to a profile takes this lock, so writes to one profile come one after another.
    Raises ``Problem``: 404, 403.
    """
    profile = (
        Profile.objects.visible_to(user)
        .filter(**identity(reference))
        .select_for_update(no_key=True)
        .first()
    )
    if profile is None:
        raise not_found()
    if not can_edit(profile.owner_id, user):
        raise Problem(NOT_YOURS, "This is for the profile's owner.")
    return profile


def can_edit(owner_id: int, user: Any) -> bool:
    """Say whether ``user`` may change the profiles of this owner."""
    if not user.is_authenticated:
        return False
    return bool(owner_id == user.pk or (user.is_staff and user.has_perm("profiles.change_profile")))


def not_found() -> Problem:
    return Problem(NOT_FOUND, "There is no such profile.")
