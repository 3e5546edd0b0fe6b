"""Profiles are made, changed and deleted."""

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.http import HttpRequest

from midst.kernel import cache
from midst.kernel.http import check_preconditions
from midst.kernel.problems import conflicts, invalid
from profiles.cache import FOUND
from profiles.models import Profile, check_not_a_uuid, check_not_reserved
from profiles.selectors import access, profiles
from profiles.services import quotas
from taxonomy import selectors as taxonomy

_STEP = 1000
TAKEN = {"profiles_profile_slug_key": "Another profile has this slug."}


def create(user: Any, fields: dict[str, Any]) -> tuple[Profile, bytes]:
    """Make a profile for ``user``; return it, and its JSON for the owner.

    Raises ``Problem``: 403 for a default mask beyond the plan, 409 for a slug that is taken, 422.
    """
    with transaction.atomic():
        profile = Profile(owner=user)
        apply(profile, fields)
        if profile.default_mask_id is not None:
            # It locks the owner: before the slug is taken, as all who change a slug do.
            quotas.require_mask(profile, profile.default_mask_id, default=True)
        with conflicts(TAKEN):
            profile.save(force_insert=True)
        return profile, profiles.current(profile, user)


def change(request: HttpRequest, reference: str, user: Any, fields: dict[str, Any]) -> bytes:
    """Change some fields; return how ``user`` sees the profile now.

    Raises ``Problem``: 404, 403, 409 for a slug that is taken, 412, 422.
    """
    with transaction.atomic():
        profile = access.lock_own_profile(reference, user)
        check_preconditions(request, profiles.current(profile, user))
        apply(profile, fields)
        if "default_mask" in fields and profile.default_mask_id is not None:
            quotas.require_mask(profile, profile.default_mask_id, default=True)
        with conflicts(TAKEN):
            profile.save()
        return profiles.current(profile, user)


def delete(request: HttpRequest, reference: str, user: Any) -> None:
    """Delete a profile and everything that belongs to it. Raises ``Problem``: 404, 403."""
    with transaction.atomic():
        profile = access.lock_own_profile(reference, user)
        check_preconditions(request, profiles.current(profile, user))
        profile.delete()


def lacks_search(mask: int) -> bool:
    """Say whether a change of this mask has left profiles that no search finds any more."""
    return Profile.objects.listed().filter(default_mask=mask, search__isnull=True).exists()


def refresh_search(mask: int) -> int:
    """Read the words of all profiles again whose default mask this is; return how many.

    Each step is a transaction: it holds its profiles for a moment.
    """
    done, last = 0, UUID(int=0)
    behind = Profile.objects.listed().filter(default_mask=mask).order_by("id")
    while keys := list(behind.filter(id__gt=last).values_list("id", flat=True)[:_STEP]):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT profiles_search_refresh(%s)", [keys])
            cache.invalidate_on_commit(FOUND)
        done, last = done + len(keys), keys[-1]
    return done


def apply(profile: Profile, fields: dict[str, Any], *, part: str = "body") -> None:
    """Set fields of a profile that is saved afterwards. Raises ``Problem`` (422) for ``part``."""
    if "slug" in fields:
        _check_slug(fields["slug"], part)
    for name, value in fields.items():
        if name == "default_mask":
            profile.default_mask_id = _mask(value, part)
        else:
            setattr(profile, name, value)


def _check_slug(slug: str, part: str) -> None:
    for check in (check_not_a_uuid, check_not_reserved):
        try:
            check(slug)
        except ValidationError as error:
            raise invalid(f"{part}.slug", error.messages[0]) from error


def _mask(slug: str | None, part: str) -> int | None:
    if slug is None:
        return None
    found = taxonomy.mask_id(slug)
    if found is None:
        raise invalid(f"{part}.default_mask", f"There is no mask {slug!r}.")
    return found
