"""Profiles themselves."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.contrib.auth.models import AnonymousUser
from django.db.models import Value
from django.db.models.functions import Collate, Concat, Lower

from midst.kernel import cache, pagination
from midst.kernel.cache import Answer
from midst.kernel.pagination import Name, Order
from profiles.cache import (
    FOUND,
    LISTS,
    PROFILES,
    USER,
    detail_key,
    list_key,
    owned_key,
    profile_group,
    search_key,
    user_group,
)
from profiles.models import Profile, ProfileQuerySet
from profiles.selectors import access, search
from taxonomy.cache import MASKS

_SUMMARY = (
    "id", "slug", "display_name", "title", "headline", "location", "avatar_url",
    "languages", "interests", "created_at", "updated_at",
)  # fmt: skip
_DETAIL = (*_SUMMARY, "summary", "website", "visibility")
_ROW = (*_DETAIL, "email", "phone", "owner_id", "default_mask__slug")
BY_NAME = Order("name", "id", (Name, UUID), descending=False)
# Sorts behind every name that begins with what stands before it.
_LAST = "\U0010ffff"


def listed(
    *,
    path: str,
    limit: int,
    cursor: str = "",
    name: str = "",
    since: datetime | None = None,
    before: datetime | None = None,
) -> Answer:
    """Return a page of the public profiles, newest first; one query on a miss.

    ``name``: those whose name begins so, in the order of names. ``since``, ``before``: made from
    then on, until before then. ``path`` is the list's own, for the links. Raises
    ``pagination.BadCursor``.
    """
    since_text, before_text = (each.isoformat() if each else "" for each in (since, before))
    found = beginning_with(name) if name else _made_between(since, before)
    order = BY_NAME if name else pagination.NEWEST

    def compute() -> bytes:
        page = pagination.page(found, limit=limit, cursor=cursor, order=order)
        for row in page.rows:
            row.pop("name", None)
        return pagination.encode(
            page,
            path=path,
            limit=limit,
            name=name,
            created_from=since_text,
            created_before=before_text,
        )

    key = list_key(limit=limit, cursor=cursor, name=name, since=since_text, before=before_text)
    return cache.read(PROFILES, key, groups=(LISTS,), compute=compute)


def found(words: str, *, path: str, limit: int, cursor: str = "") -> Answer:
    """Return a page of the public profiles that have all ``words``, the best match first.

    One query on a miss. Raises ``pagination.BadCursor``.
    """
    words = search.plain(words)

    def compute() -> bytes:
        matching = search.matching(words, *_SUMMARY)
        page = pagination.page(matching, limit=limit, cursor=cursor, order=search.BY_RANK)
        for row in page.rows:
            del row["rank"]
        return pagination.encode(page, path=path, limit=limit, q=words)

    key = search_key(limit=limit, cursor=cursor, words=words)
    # A mask decides which skills are found.
    return cache.read(PROFILES, key, groups=(FOUND, MASKS.group), compute=compute)


def owned(user: Any, *, path: str, limit: int, cursor: str = "") -> Answer:
    """Return a page of ``user``'s own profiles, newest first, whatever their visibility."""

    def compute() -> bytes:
        mine = Profile.objects.filter(owner=user, is_active=True).values(*_ROW)
        page = pagination.page(mine, limit=limit, cursor=cursor)
        rows = [_shown(row, owner=True) for row in page.rows]
        return pagination.encode(
            pagination.Page(rows, page.next, page.previous), path=path, limit=limit
        )

    key = owned_key(user.pk, limit=limit, cursor=cursor)
    return cache.read(USER, key, groups=(user_group(user.pk),), compute=compute)


def detail(reference: str, *, user: Any) -> tuple[Answer, bool]:
    """Return the profile with this id or slug, and whether the answer is ``user``'s own view.

    What anyone may see is cached; an owner's or staff's view is not. Raises ``Problem`` (404) for
    what is not there, or not there for ``user``.
    """
    address = access.address(reference)
    if user.is_authenticated:
        row = _row(address, Profile.objects.visible_to(user))
        if access.can_edit(row["owner_id"], user):
            return cache.bypass(lambda: own_view(row, user)), True

    def compute() -> bytes:
        row = _row(address, Profile.objects.visible_to(AnonymousUser()))
        return msgspec.json.encode(_shown(row, owner=False))

    key, group = detail_key(address), profile_group(address)
    return cache.read(PROFILES, key, groups=(group,), compute=compute), False


def current(profile: Profile, user: Any) -> bytes:
    """Return the profile as its owner or staff sees it now."""
    return own_view(Profile.objects.filter(pk=profile.pk).values(*_ROW).get(), user)


def own_view(row: dict[str, Any], user: Any) -> bytes:
    return msgspec.json.encode(_shown(row, owner=row["owner_id"] == user.pk))


def beginning_with(name: str) -> Any:
    """Return the listed profiles whose name begins so, upper or lower case.

    A plain comparison of lower-case names: what the index on them can seek.
    """
    start = Lower(Value(name))
    return (
        Profile.objects.listed()
        .annotate(name=Collate(Lower("display_name"), "C"))
        .filter(name__gte=start, name__lt=Concat(start, Value(_LAST)))
        .values(*_SUMMARY, "name")
    )


def _made_between(since: datetime | None, before: datetime | None) -> Any:
    found: ProfileQuerySet = Profile.objects.listed()
    if since is not None:
        found = found.filter(created_at__gte=since)
    if before is not None:
        found = found.filter(created_at__lt=before)
    return found.values(*_SUMMARY)


def _row(reference: str, profiles: ProfileQuerySet) -> dict[str, Any]:
    row = profiles.filter(**access.identity(reference)).values(*_ROW).first()
    if row is None:
        raise access.not_found()
    return dict(row)


def _shown(row: dict[str, Any], *, owner: bool) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _DETAIL},
        "default_mask": row["default_mask__slug"],
        "email": row["email"] if owner else None,
        "phone": row["phone"] if owner else None,
    }
