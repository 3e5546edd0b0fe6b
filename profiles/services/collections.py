"""Writes to the collections under a profile, made from ``profiles.collections``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Model
from django.http import HttpRequest

from midst.kernel.http import check_preconditions
from midst.kernel.problems import CONFLICT, Problem, conflicts, invalid
from profiles.collections import Collection
from profiles.models import Entry, Profile
from profiles.schemas.entries import LARGEST
from profiles.selectors import access, collections
from profiles.selectors.access import ProfileAccess

Prepare = Callable[[Any, Profile, dict[str, Any]], None]


def as_sent(row: Any, profile: Profile, fields: dict[str, Any]) -> None:
    """Prepare a row for its save by setting what was sent: the default ``Prepare``."""
    for name, value in fields.items():
        setattr(row, name, value)


def create(
    collection: Collection,
    reference: str,
    user: Any,
    fields: dict[str, Any],
    prepare: Prepare = as_sent,
) -> tuple[UUID, bytes]:
    """Add a row; return its id and its JSON. Raises ``Problem``: 404, 403, 409, 422."""
    with transaction.atomic():
        profile = access.lock_own_profile(reference, user)
        row = collection.model(profile=profile)
        prepare(row, profile, linked(fields))
        if isinstance(row, Entry) and fields.get("position") is None:
            row.position = _next_position(type(row), profile)
        _save(collection, row, force_insert=True)
        return row.pk, collections.encoded(collection, _access(profile), row.pk)


def change(
    collection: Collection,
    request: HttpRequest,
    reference: str,
    key: UUID,
    user: Any,
    fields: dict[str, Any],
    prepare: Prepare = as_sent,
) -> bytes:
    """Change a row; return its JSON. Raises ``Problem``: 404, 403, 409, 412, 422."""
    with locked(collection, reference, key, user) as (profile, row):
        check_preconditions(request, collections.encoded(collection, _access(profile), key))
        if fields.get("position", 0) is None:
            raise invalid("body.position", "must be a number; leave it out to keep it")
        prepare(row, profile, linked(fields))
        _save(collection, row)
        return collections.encoded(collection, _access(profile), key)


def delete(
    collection: Collection, request: HttpRequest, reference: str, key: UUID, user: Any
) -> None:
    """Delete a row. Raises ``Problem``: 404, 403, 412."""
    with locked(collection, reference, key, user) as (profile, row):
        check_preconditions(request, collections.encoded(collection, _access(profile), key))
        row.delete()


def act(
    collection: Collection,
    request: HttpRequest,
    reference: str,
    key: UUID,
    user: Any,
    action: Callable[[Any], None],
) -> bytes:
    """Apply ``action`` to a locked row; return its JSON. Raises ``Problem``: 404, 403, 409, 412."""
    with locked(collection, reference, key, user) as (profile, row):
        check_preconditions(request, collections.encoded(collection, _access(profile), key))
        action(row)
        _save(collection, row)
        return collections.encoded(collection, _access(profile), key)


@contextmanager
def locked(
    collection: Collection, reference: str, key: UUID, user: Any
) -> Iterator[tuple[Profile, Any]]:
    """Lock a profile of ``user`` and yield it with one of its rows, in one transaction."""
    with transaction.atomic():
        profile = access.lock_own_profile(reference, user)
        # Every write to the row takes the lock on the profile first.
        row: Model | None = collection.model._default_manager.filter(
            profile=profile, pk=key
        ).first()
        if row is None:
            raise collections.not_found(collection)
        row.profile = profile  # type: ignore[attr-defined]
        yield profile, row


def linked(fields: dict[str, Any]) -> dict[str, Any]:
    """Replace the slugs of masks, epochs and stages by their keys. Raises ``Problem`` (422)."""
    return dict(_link(name, value) for name, value in fields.items())


def _link(name: str, value: Any) -> tuple[str, Any]:
    if not collections.is_linked(name):
        return name, value
    found = None if value is None else collections.linked_id(name, value, part="body")
    return f"{name}_id", found


def _save(collection: Collection, row: Any, **options: Any) -> None:
    starts_on, ends_on = getattr(row, "starts_on", None), getattr(row, "ends_on", None)
    if starts_on is not None and ends_on is not None and ends_on < starts_on:
        raise invalid("body.ends_on", "must not be before starts_on")
    with conflicts(collection.conflicts):
        row.save(**options)


def _next_position(model: type[Entry], profile: Profile) -> int:
    entries = model._default_manager.filter(profile=profile)
    last: int | None = entries.aggregate(last=Max("position"))["last"]
    if last == LARGEST:
        raise Problem(CONFLICT, "The last position is the largest possible: send a position.")
    return 0 if last is None else last + 1


def _access(profile: Profile) -> ProfileAccess:
    return ProfileAccess(profile.pk, profile.slug, profile.owner_id, can_edit=True)
