"""The collections under a profile, all in the same way: see ``profiles.parts``."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from midst.kernel import cache as kept
from midst.kernel import pagination
from midst.kernel.cache import Answer
from midst.kernel.problems import NOT_FOUND, Problem
from profiles import cache
from profiles.parts import Part
from profiles.selectors import reach
from profiles.selectors.reach import Reached

Rows = QuerySet[Any, dict[str, Any]]


def listed(
    part: Part, reference: str, *, user: Any, path: str, limit: int, cursor: str, **filters: str
) -> tuple[Answer, bool]:
    """Return a page of a collection, and whether it is ``user``'s own view.

    Two queries at most: one finds the profile, one the rows. ``filters``, by exact value, are for
    collections without a public view. Raises ``Problem``: 404, 403, 422.
    """

    def read(reached: Reached) -> bytes:
        rows = _rows(part, reached, filters)
        page = pagination.page(rows, limit=limit, cursor=cursor, order=part.order)
        shown = [part.show(row, mine=reached.mine) for row in page.rows]
        return pagination.encode(
            pagination.Page(shown, page.next, page.previous), path=path, limit=limit, **filters
        )

    address = reach.address(reference)
    key = cache.part_list_key(part.path, address, limit=limit, cursor=cursor)
    return _answer(part, address, user, key, read)


def detail(part: Part, reference: str, key: UUID, *, user: Any) -> tuple[Answer, bool]:
    """Return one row of a collection; the same in all else. Raises ``Problem``: 404, 403."""

    def read(reached: Reached) -> bytes:
        return encoded(part, reached, key)

    address = reach.address(reference)
    return _answer(part, address, user, cache.part_key(part.path, address, str(key)), read)


def encoded(part: Part, reached: Reached, key: UUID) -> bytes:
    """Return a row as it goes out now. Raises ``Problem`` (404)."""
    row = _rows(part, reached, {}).filter(pk=key).first()
    if row is None:
        raise nothing(part)
    return msgspec.json.encode(part.show(row, mine=reached.mine))


def everything(part: Part, profile: UUID) -> list[dict[str, Any]]:
    """Return all rows of a collection in its order, as their owner sees them. One query."""
    rows = part.model._default_manager.filter(profile_id=profile).values(*part.columns)
    return [part.show(row, mine=True) for row in rows.order_by(*part.order.columns())]


def nothing(part: Part) -> Problem:
    return Problem(NOT_FOUND, f"The profile has no such {part.noun}.")


def _answer(
    part: Part, address: str, user: Any, key: str, read: Callable[[Reached], bytes]
) -> tuple[Answer, bool]:
    if part.public is None:
        reached = reach.reach_own(address, user)
        return kept.bypass(lambda: read(reached)), True
    if user.is_authenticated:
        reached = reach.reach(address, user)
        if reached.mine:
            return kept.bypass(lambda: read(reached)), True

    def compute() -> bytes:
        return read(reach.reach(address, AnonymousUser()))

    groups = (cache.profile_group(address), cache.part_group(part.path, address))
    return kept.read(cache.kind_of(part.path), key, groups=groups, compute=compute), False


def _rows(part: Part, reached: Reached, filters: dict[str, str]) -> Rows:
    rows = part.model._default_manager.filter(
        profile_id=reached.id, **{name: value for name, value in filters.items() if value}
    )
    if not reached.mine and part.public is not None:
        rows = rows.filter(part.public)
    return rows.values(*part.columns)
