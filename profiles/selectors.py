"""Every read of profiles. Hot reads return finished JSON through the cache."""

from typing import Any
from uuid import UUID

import msgspec
from django.contrib.auth.models import AnonymousUser
from django.db.models import F
from django.http import Http404

from midst.kernel import cache as kept
from midst.kernel import pagination
from midst.kernel.cache import Answer
from profiles import cache
from profiles.models import SLUG, Profile, ProfileQuerySet

_SUMMARY = (
    "id", "slug", "display_name", "title", "headline", "location", "avatar_url",
    "languages", "interests", "created_at", "updated_at",
)  # fmt: skip
_DETAIL = (*_SUMMARY, "summary", "website", "visibility")


def listed(*, path: str, limit: int, cursor: str = "") -> Answer:
    """Return a page of the public profiles, newest first; one query on a miss.

    ``path`` is the list's own, for the links. Raises ``pagination.BadCursor``.
    """

    def compute() -> bytes:
        page = pagination.page(
            Profile.objects.listed().values(*_SUMMARY), limit=limit, cursor=cursor
        )
        return pagination.encode(page, path=path, limit=limit)

    key = cache.list_key(limit=limit, cursor=cursor)
    return kept.read(cache.PROFILES, key, groups=(cache.GROUP,), compute=compute)


def detail(reference: str, *, user: Any) -> tuple[Answer, bool]:
    """Return the profile with this id or slug, and whether the answer is ``user``'s own view.

    What anyone may see is cached; an owner's or staff's view is not. Raises ``Http404`` for
    what is not there, or not there for ``user``.
    """
    if user.is_authenticated:
        row = _row(reference, Profile.objects.visible_to(user))
        owner = row["owner_id"] == user.pk
        if owner or user.is_staff:
            return kept.bypass(lambda: _encode(row, owner=owner)), True

    def compute() -> bytes:
        return _encode(_row(reference, Profile.objects.visible_to(AnonymousUser())), owner=False)

    key = cache.detail_key(reference)
    return kept.read(cache.PROFILES, key, groups=(cache.GROUP,), compute=compute), False


def _row(reference: str, profiles: ProfileQuerySet) -> dict[str, Any]:
    identity = _identity(reference)
    row = (
        profiles.filter(**identity)
        .values(*_DETAIL, "email", "phone", "owner_id", mask=F("default_mask__slug"))
        .first()
        if identity
        else None
    )
    if row is None:
        raise Http404("There is no such profile.")
    return dict(row)


def _identity(reference: str) -> dict[str, Any] | None:
    """Return the look-up for an id or a slug; None for what can be neither."""
    try:
        return {"id": UUID(reference)}
    except ValueError:
        return {"slug": reference} if SLUG.fullmatch(reference) else None


def _encode(row: dict[str, Any], *, owner: bool) -> bytes:
    return msgspec.json.encode(
        {
            **{name: row[name] for name in _DETAIL},
            "default_mask": row["mask"],
            "email": row["email"] if owner else None,
            "phone": row["phone"] if owner else None,
        }
    )
