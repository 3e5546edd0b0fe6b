"""A profile with everything that belongs to it: exported, and imported again."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.db.models import QuerySet
from psycopg import sql
from pydantic import ValidationError

from midst.kernel.input import Input
from midst.kernel.problems import CONFLICT, Problem, conflicts, invalid
from profiles.collections import APPLICATIONS, CV, NARRATIVES, Collection
from profiles.collections.export import OF_THE_SERVER, OTHERS, ROWS, ProfileImport, rows_of
from profiles.models import JobPosting, Narrative, Profile, UsageQuota
from profiles.selectors import access, collections, profiles
from profiles.services import quotas
from profiles.services.profiles import TAKEN, apply

_SPENT = {
    NARRATIVES.path: UsageQuota.Feature.NARRATIVES,
    APPLICATIONS.path: UsageQuota.Feature.JOB_APPLICATIONS,
}


def export(reference: str, user: Any) -> bytes:
    """Return everything of a profile, and count it. Raises ``Problem``: 404, 403."""
    with transaction.atomic():
        profile = access.lock_own_profile(reference, user)
        quotas.consume(profile, UsageQuota.Feature.EXPORTS)
        return encoded(profile, user)


def encoded(profile: Profile, user: Any) -> bytes:
    """Return everything of a profile as ``user``, its owner or staff, sees it."""

    def rows(collection: Collection) -> list[dict[str, Any]]:
        return collections.everything(collection, profile.pk)

    return msgspec.json.encode(
        {
            "exported_at": datetime.now(UTC),
            "profile": msgspec.Raw(profiles.current(profile, user)),
            "cv": {collection.path: rows(collection) for collection in CV},
            **{name: rows(collection) for name, collection in OTHERS.items()},
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """What one collection lacks of an import (with the numbers of the rows), and has beyond it."""

    collection: Collection
    place: str
    missing: list[tuple[int, dict[str, Any]]]
    surplus: list[UUID]


def restore(
    user: Any, data: ProfileImport, *, replace: bool, limited: bool = True
) -> dict[str, Any]:
    """Make a profile of ``user`` equal to an export; return an ``ImportResult``.

    The profile is that with the export's id, else that with its slug, else a new one. Rows that
    are there already are left alone, so the second import of an export changes nothing. One that
    is there and differs is changed only with ``replace``. All or nothing is written.
    ``limited``: what is added counts as if it were made one by one.

    Raises ``Problem``: 403 beyond the plan, 409 without ``replace`` or for a slug that is taken,
    422.
    """
    with transaction.atomic():
        found = _existing(user, data)
        if found is not None or not _is_made_meanwhile(user, data):
            return _restore(found, user, data, replace=replace, limited=limited)
    # Another request of the user's made it while this one waited.
    return restore(user, data, replace=replace, limited=limited)


def _restore(
    found: Profile | None, user: Any, data: ProfileImport, *, replace: bool, limited: bool
) -> dict[str, Any]:
    profile = found or Profile(owner=user)
    fields = _changed(profile, _content(data.profile, sent_only=True))
    differences = [_compare(profile, *each) for each in rows_of(data)]
    added = {each.collection.path: len(each.missing) for each in differences if each.missing}
    removed = {each.collection.path: len(each.surplus) for each in differences if each.surplus}
    outcome = "restored" if found else "created"
    if found and not (fields or added or removed):
        outcome = "unchanged"
    elif found and not replace:
        raise Problem(CONFLICT, _differs(profile, fields, added, removed))
    else:
        _write(profile, fields, differences, limited=limited)
    return {
        "outcome": outcome, "id": profile.pk, "slug": profile.slug,
        "added": added, "removed": removed,
    }  # fmt: skip


def _is_made_meanwhile(user: Any, data: ProfileImport) -> bool:
    """Of two first imports of one user the second waits here until the first has been committed.

    It locks no profile: that lock comes before the owner's.
    """
    quotas.lock_owner(user.pk)
    return Profile.objects.filter(owner=user, is_active=True, slug=data.profile.slug).exists()


def _existing(user: Any, data: ProfileImport) -> Profile | None:
    mine = Profile.objects.filter(owner=user, is_active=True).select_for_update(no_key=True)
    key: UUID | None = data.profile.id
    by_id = mine.filter(pk=key).first() if key else None
    return by_id or mine.filter(slug=data.profile.slug).first()


def _content(row: Input, *, sent_only: bool = False) -> dict[str, Any]:
    return row.model_dump(exclude=set(OF_THE_SERVER), exclude_unset=sent_only)


def _changed(profile: Profile, fields: dict[str, Any]) -> dict[str, Any]:
    """Return those of the fields that differ from the profile's."""
    if profile.default_mask is not None and "default_mask" in fields:
        current: dict[str, Any] = {"default_mask": profile.default_mask.slug}
    else:
        current = {"default_mask": None}
    for name in ("email", "phone"):
        if fields.get(name, "") is None:
            del fields[name]
    return {
        name: value
        for name, value in fields.items()
        if profile._state.adding or current.get(name, getattr(profile, name)) != value
    }


def _compare(
    profile: Profile, collection: Collection, place: str, rows: list[Input]
) -> _Difference:
    have: dict[bytes, list[UUID]] = defaultdict(list)
    stored = [] if profile._state.adding else collections.everything(collection, profile.pk)
    for row in stored:
        have[_stored_key(ROWS[collection.path], row)].append(row["id"])
    missing = []
    for number, each in enumerate(rows):
        content = _content(each)
        if "position" in content and content["position"] is None:
            content["position"] = number
        same = have.get(_key(content))
        if same:
            same.pop()
        else:
            missing.append((number, content))
    surplus = [key for keys in have.values() for key in keys]
    return _Difference(collection=collection, place=place, missing=missing, surplus=surplus)


def _stored_key(schema: type[Input], row: dict[str, Any]) -> bytes:
    """Return the key of a stored row, read as an import would read it."""
    try:
        return _key(_content(schema.model_validate(row)))
    except ValidationError:
        # It was written elsewhere, under other rules: no row of an import equals it.
        return b""


def _key(content: dict[str, Any]) -> bytes:
    return msgspec.json.encode(_plain(content), order="deterministic")


def _plain(value: Any) -> Any:
    """Write each number in one way: PostgreSQL gives 1e3 back as 1000."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        whole = isinstance(value, int) or value.is_integer()
        # PostgreSQL has the digits that are shown, not those of the nearest power of two.
        return {"number": str(int(Decimal(repr(value)))) if whole else repr(value)}
    return value


def _differs(
    profile: Profile, fields: dict[str, Any], added: dict[str, int], removed: dict[str, int]
) -> str:
    return (
        f"Your profile {profile.slug!r} differs from this export: fields {len(fields)}, rows to "
        f"add {sum(added.values())}, rows to remove {sum(removed.values())}. "
        "Send `replace=true` to make it equal to the export."
    )


def _write(
    profile: Profile, fields: dict[str, Any], differences: list[_Difference], *, limited: bool
) -> None:
    check_masks = quotas.masks_check(profile.owner_id) if limited else None
    apply(profile, fields, part="body.profile")
    with conflicts(TAKEN):
        # The answers on all collections depend on the profile: its save invalidates them.
        profile.save()
    for each in differences:
        _remove(each)
    known: dict[tuple[str, str], int] = {}
    for each in differences:
        feature = _SPENT.get(each.collection.path)
        if limited and feature is not None and each.missing:
            quotas.consume(profile, feature, len(each.missing))
        _add(profile, each, known)
    if check_masks is not None:
        check_masks(profile)


def _remove(difference: _Difference) -> None:
    """Without Django's signals, which would read the profile again for each row."""
    if not difference.surplus:
        return
    table = sql.Identifier(difference.collection.model._meta.db_table)
    with connection.cursor() as cursor:
        statement = sql.SQL("DELETE FROM {} WHERE id = ANY(%s)").format(table)
        cursor.execute(statement, [difference.surplus])


def _add(profile: Profile, difference: _Difference, known: dict[tuple[str, str], int]) -> None:
    """Add the missing rows; ``known`` keeps the keys of masks, epochs and stages."""
    collection = difference.collection
    made: list[Any] = []
    _check_postings(difference)
    # The server's ids and times rise: what a descending list shows first is made last.
    for number, content in difference.missing[:: -1 if collection.order.descending else 1]:
        part = f"body.{difference.place}.{number}"
        _check(content, part)
        fields = {
            collection.column_of(name): _linked_id(name, value, part, known)
            for name, value in content.items()
        }
        if content.get("status") == Narrative.Status.APPROVED:
            fields["approved_by_id"] = profile.owner_id
        made.append(collection.model(profile=profile, **fields))
    with conflicts(collection.conflicts):
        # Past the manager's own, which invalidates what is cached of all profiles.
        QuerySet(collection.model).bulk_create(made, batch_size=500)


def _linked_id(name: str, value: Any, part: str, known: dict[tuple[str, str], int]) -> Any:
    if value is None or not collections.is_linked(name):
        return value
    if (name, value) not in known:
        known[name, value] = collections.linked_id(name, value, part=part)
    return known[name, value]


def _check(content: dict[str, Any], part: str) -> None:
    starts_on, ends_on = content.get("starts_on"), content.get("ends_on")
    if starts_on is not None and ends_on is not None and ends_on < starts_on:
        raise invalid(f"{part}.ends_on", "must not be before starts_on")
    if "approved_at" in content:
        is_approved = content["status"] == Narrative.Status.APPROVED
        if is_approved != (content["approved_at"] is not None):
            raise invalid(f"{part}.approved_at", "must be there for an approved narrative only")


def _check_postings(difference: _Difference) -> None:
    wanted = [content.get("posting") for _, content in difference.missing]
    known = set(JobPosting.objects.filter(pk__in=filter(None, wanted)).values_list("pk", flat=True))
    for (number, _), key in zip(difference.missing, wanted, strict=True):
        if key is not None and key not in known:
            place = f"body.{difference.place}.{number}.posting"
            raise invalid(place, "There is no such posting.")
