"""Reads of the collections under a profile, made from ``profiles.collections``."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from midst.kernel import cache, pagination
from midst.kernel.cache import Answer
from midst.kernel.problems import NOT_FOUND, Problem, invalid
from profiles.cache import collection_group, collection_key, profile_group, row_key
from profiles.collections import Collection
from profiles.selectors import access
from profiles.selectors.access import ProfileAccess
from taxonomy import selectors as taxonomy

Rows = QuerySet[Any, dict[str, Any]]


def listed(
    collection: Collection,
    reference: str,
    *,
    user: Any,
    path: str,
    limit: int,
    cursor: str,
    **filters: str,
) -> tuple[Answer, bool]:
    """Return a page of a collection, and whether it is a private view of ``user``.

    Two queries at most: one for the profile, one for the rows. ``filters`` compare
    fields of ``collection.query`` by equality. Raises ``Problem``: 404, 403, 422.
    """

    def read(granted: ProfileAccess) -> bytes:
        rows = _rows(collection, granted).filter(**_conditions(filters))
        page = pagination.page(rows, limit=limit, cursor=cursor, order=collection.order)
        shown = [collection.show(row, can_edit=granted.can_edit) for row in page.rows]
        return pagination.encode(
            pagination.Page(shown, page.next, page.previous), path=path, limit=limit, **filters
        )

    address = access.address(reference)
    key = collection_key(
        collection.key_prefix, address, limit=limit, cursor=cursor, filters=filters
    )
    return _answer(collection, address, user, key, read)


def detail(collection: Collection, reference: str, key: UUID, *, user: Any) -> tuple[Answer, bool]:
    """Return one row, and whether it is a private view of ``user``. Raises ``Problem``: 404, 403.

    Two queries at most.
    """

    def read(granted: ProfileAccess) -> bytes:
        return encoded(collection, granted, key)

    address = access.address(reference)
    cache_key = row_key(collection.key_prefix, address, str(key))
    return _answer(collection, address, user, cache_key, read)


def encoded(collection: Collection, granted: ProfileAccess, key: UUID) -> bytes:
    """Return a row from the database as the API sends it. Raises ``Problem`` (404)."""
    row = _rows(collection, granted).filter(pk=key).first()
    if row is None:
        raise not_found(collection)
    return msgspec.json.encode(collection.show(row, can_edit=granted.can_edit))


def everything(collection: Collection, profile: UUID) -> list[dict[str, Any]]:
    """Return all rows of a collection in its order, as their owner sees them. One query."""
    found = collection.model._default_manager.filter(profile_id=profile)
    rows = found.values(*collection.columns).order_by(*collection.order.columns())
    return [collection.show(row, can_edit=True) for row in rows]


def not_found(collection: Collection) -> Problem:
    return Problem(NOT_FOUND, f"The profile has no such {collection.noun}.")


def _answer(
    collection: Collection,
    address: str,
    user: Any,
    key: str,
    read: Callable[[ProfileAccess], bytes],
) -> tuple[Answer, bool]:
    """Answer from the cache, unless ``user`` can edit the profile or nobody else sees the rows."""
    if collection.public is None:
        granted = access.resolve_own_profile(address, user)
        return cache.bypass(lambda: read(granted)), True
    if user.is_authenticated:
        granted = access.resolve_profile(address, user)
        if granted.can_edit:
            return cache.bypass(lambda: read(granted)), True

    def compute() -> bytes:
        return read(access.resolve_profile(address, AnonymousUser()))

    groups = (
        profile_group(address),
        collection_group(collection.path, address),
        *collection.groups,
    )
    return cache.read(collection.region, key, groups=groups, compute=compute), False


def linked_id(name: str, slug: str, *, part: str) -> int:
    """Return the key of the mask, epoch or stage (``name``) with this slug.

    Raises ``Problem`` (422) for the field ``name`` of ``part``, "body" or "query".
    """
    found = _LINKED[name](slug)
    if found is None:
        raise invalid(f"{part}.{name}", f"There is no {name} {slug!r}.")
    return found


def is_linked(name: str) -> bool:
    """Say whether a field holds the slug of a mask, epoch or stage."""
    return name in _LINKED


_LINKED: dict[str, Callable[[str], int | None]] = {
    "mask": taxonomy.mask_id,
    "epoch": taxonomy.epoch_id,
    "stage": taxonomy.stage_id,
}


def _conditions(filters: dict[str, str]) -> dict[str, Any]:
    return {
        f"{name}_id" if is_linked(name) else name: (
            linked_id(name, value, part="query") if is_linked(name) else value
        )
        for name, value in filters.items()
    }


def _rows(collection: Collection, granted: ProfileAccess) -> Rows:
    rows = collection.model._default_manager.filter(profile_id=granted.id)
    if not granted.can_edit and collection.public is not None:
        rows = rows.filter(collection.public)
    return rows.values(*collection.columns)
