"""Profiles are made, changed and deleted."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from midst.kernel.http import check_preconditions
from midst.kernel.problems import conflicts, invalid
from profiles.collections import APPLICATIONS, CV, NARRATIVES, TIMELINE, Collection
from profiles.models import Profile, UsageQuota, check_not_a_uuid, check_not_reserved
from profiles.selectors import access, collections, profiles
from profiles.services import quotas
from taxonomy import selectors as taxonomy

_TAKEN = {"profiles_profile_slug_key": "Another profile has this slug."}


def create(user: Any, fields: dict[str, Any]) -> tuple[Profile, bytes]:
    """Make a profile for ``user``; return it, and its JSON for the owner.

    Raises ``Problem``: 403 for a default mask beyond the plan, 409 for a slug that is taken, 422.
    """
    with transaction.atomic():
        profile = Profile(owner=user)
        _apply(profile, fields)
        with conflicts(_TAKEN):
            profile.save(force_insert=True)
        if profile.default_mask_id is not None:
            quotas.require_mask(profile, profile.default_mask_id, default=True)
        return profile, profiles.current(profile, user)


def change(request: HttpRequest, reference: str, user: Any, fields: dict[str, Any]) -> bytes:
    """Change some fields; return how ``user`` sees the profile now.

    Raises ``Problem``: 404, 403, 409 for a slug that is taken, 412, 422.
    """
    with transaction.atomic():
        profile = access.lock_own_profile(reference, user)
        check_preconditions(request, profiles.current(profile, user))
        _apply(profile, fields)
        if "default_mask" in fields and profile.default_mask_id is not None:
            quotas.require_mask(profile, profile.default_mask_id, default=True)
        with conflicts(_TAKEN):
            profile.save()
        return profiles.current(profile, user)


def delete(request: HttpRequest, reference: str, user: Any) -> None:
    """Delete a profile and everything that belongs to it. Raises ``Problem``: 404, 403."""
    with transaction.atomic():
        profile = access.lock_own_profile(reference, user)
        check_preconditions(request, profiles.current(profile, user))
        profile.delete()


def _apply(profile: Profile, fields: dict[str, Any]) -> None:
    if "slug" in fields:
        _check_slug(fields["slug"])
    for name, value in fields.items():
        if name == "default_mask":
            profile.default_mask_id = _mask(value)
        else:
            setattr(profile, name, value)


def _check_slug(slug: str) -> None:
    for check in (check_not_a_uuid, check_not_reserved):
        try:
            check(slug)
        except ValidationError as error:
            raise invalid("body.slug", error.messages[0]) from error


def _mask(slug: str | None) -> int | None:
    if slug is None:
        return None
    found = taxonomy.mask_id(slug)
    if found is None:
        raise invalid("body.default_mask", f"There is no mask {slug!r}.")
    return found


def export(reference: str, user: Any) -> bytes:
    """Return everything of a profile, and count it. Raises ``Problem``: 404, 403."""
    with transaction.atomic():
        profile = access.lock_own_profile(reference, user)
        quotas.consume(profile, UsageQuota.Feature.EXPORTS)

        def rows(collection: Collection) -> list[dict[str, Any]]:
            return collections.everything(collection, profile.pk)

        return msgspec.json.encode(
            {
                "exported_at": datetime.now(UTC),
                "profile": msgspec.Raw(profiles.current(profile, user)),
                "cv": {collection.path: rows(collection) for collection in CV},
                "timeline": rows(TIMELINE),
                "narratives": rows(NARRATIVES),
                "applications": rows(APPLICATIONS),
            }
        )
