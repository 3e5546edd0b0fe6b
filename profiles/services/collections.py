"""Writes to the collections under a profile, all in the same way: see ``profiles.parts``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Model
from django.http import HttpRequest

from midst.kernel.http import check_if_match
from midst.kernel.problems import CONFLICT, Problem, conflicts, invalid
from profiles.models import Entry, Profile
from profiles.parts import Part
from profiles.schemas.cv import LARGEST
from profiles.selectors import collections, reach
from profiles.selectors.reach import Reached
from taxonomy import selectors as taxonomy

Prepare = Callable[[Any, Profile, dict[str, Any]], None]


def as_sent(row: Any, profile: Profile, fields: dict[str, Any]) -> None:
    """The plain way to prepare a row for its save: with what was sent."""
    for name, value in fields.items():
        setattr(row, name, value)


def create(
    part: Part, reference: str, user: Any, fields: dict[str, Any], prepare: Prepare = as_sent
) -> tuple[UUID, bytes]:
    """Add a row; return its id, and how it goes out. Raises ``Problem``: 404, 403, 409, 422."""
    with transaction.atomic():
        profile = reach.lock_own(reference, user)
        row = part.model(profile=profile)
        prepare(row, profile, linked(fields))
        if isinstance(row, Entry) and fields.get("position") is None:
            row.position = _next_position(type(row), profile)
        _save(part, row, force_insert=True)
        return row.pk, collections.encoded(part, _reached(profile), row.pk)


def change(
    part: Part,
    request: HttpRequest,
    reference: str,
    key: UUID,
    user: Any,
    fields: dict[str, Any],
    prepare: Prepare = as_sent,
) -> bytes:
    """Change a row; return how it goes out now. Raises ``Problem``: 404, 403, 409, 412, 422."""
    with locked(part, reference, key, user) as (profile, row):
        check_if_match(request, collections.encoded(part, _reached(profile), key))
        if fields.get("position", 0) is None:
            raise invalid("body.position", "should be a number; leave it out to keep it")
        prepare(row, profile, linked(fields))
        _save(part, row)
        return collections.encoded(part, _reached(profile), key)


def delete(part: Part, reference: str, key: UUID, user: Any) -> None:
    """Delete a row. Raises ``Problem``: 404, 403."""
    with locked(part, reference, key, user) as (_, row):
        row.delete()


def act(part: Part, reference: str, key: UUID, user: Any, action: Callable[[Any], None]) -> bytes:
    """Do something to a row that is locked; return how it goes out now."""
    with locked(part, reference, key, user) as (profile, row):
        action(row)
        _save(part, row)
        return collections.encoded(part, _reached(profile), key)


@contextmanager
def locked(part: Part, reference: str, key: UUID, user: Any) -> Iterator[tuple[Profile, Any]]:
    """Hold a profile of ``user``'s and a row of it until the block ends, in one transaction."""
    with transaction.atomic():
        profile = reach.lock_own(reference, user)
        # The lock on the profile keeps all others from the row.
        row: Model | None = part.model._default_manager.filter(profile=profile, pk=key).first()
        if row is None:
            raise collections.nothing(part)
        row.profile = profile  # type: ignore[attr-defined]
        yield profile, row


def linked(fields: dict[str, Any]) -> dict[str, Any]:
    """Replace the slugs of masks, epochs and stages by their keys. Raises ``Problem`` (422)."""
    return dict(_link(name, value) for name, value in fields.items())


def _link(name: str, value: Any) -> tuple[str, Any]:
    look_up = {
        "mask": taxonomy.mask_id,
        "epoch": taxonomy.epoch_id,
        "stage": taxonomy.stage_id,
    }.get(name)
    if look_up is None:
        return name, value
    found = None if value is None else look_up(value)
    if value is not None and found is None:
        raise invalid(f"body.{name}", f"There is no {name} {value!r}.")
    return f"{name}_id", found


def _save(part: Part, row: Any, **options: Any) -> None:
    starts_on, ends_on = getattr(row, "starts_on", None), getattr(row, "ends_on", None)
    if starts_on is not None and ends_on is not None and ends_on < starts_on:
        raise invalid("body.ends_on", "can't be before starts_on")
    with conflicts(part.conflicts):
        row.save(**options)


def _next_position(model: type[Entry], profile: Profile) -> int:
    entries = model._default_manager.filter(profile=profile)
    last: int | None = entries.aggregate(last=Max("position"))["last"]
    if last == LARGEST:
        raise Problem(CONFLICT, "No position is left behind the last one: give one.")
    return 0 if last is None else last + 1


def _reached(profile: Profile) -> Reached:
    return Reached(profile.pk, profile.slug, profile.owner_id, mine=True)
