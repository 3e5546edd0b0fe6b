"""Seeded rows are made chunk by chunk and streamed by COPY, so a million need no more memory than a
thousand.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import connection, transaction
from psycopg import sql

from midst.kernel import cache as kept
from profiles.cache import GROUP
from profiles.models import Profile
from profiles.seeding import vocabulary
from taxonomy import selectors as taxonomy

CHUNK = 1000
_BATCH = 20_000
_NEWEST = datetime(2026, 10, 1, tzinfo=UTC)
_SPREAD_S = 3 * 365 * 24 * 3600
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_USER_COLUMNS = (
    "id", "password", "is_superuser", "username", "first_name", "last_name", "email",
    "is_staff", "is_active", "date_joined",
)  # fmt: skip
_PROFILE_COLUMNS = (
    "id", "owner_id", "slug", "display_name", "title", "headline", "summary", "location",
    "email", "phone", "website", "avatar_url", "languages", "interests", "visibility",
    "default_mask_id", "is_active", "created_at", "updated_at",
)  # fmt: skip


class Person(NamedTuple):
    """What the seed decides about number ``number``."""

    number: int
    id: UUID
    first: str
    last: str
    title: str
    headline: str
    summary: str
    location: str
    languages: list[str]
    interests: list[str]
    visibility: str
    mask: int | None
    is_active: bool
    created_at: datetime
    updated_at: datetime


def seed(*, profiles: int, seed: int, progress: Callable[[int], None] = lambda _: None) -> int:
    """Make profiles until the seed has ``profiles`` of them; return how many were added.

    ``progress`` is told the number of rows after every batch. All or nothing per batch, so an
    interrupted start is taken up where it stopped.
    """
    have = _existing(seed)
    masks = taxonomy.mask_ids()
    for start in range(have, profiles, _BATCH):
        stop = min(start + _BATCH, profiles)
        with transaction.atomic():
            _copy(people(seed=seed, start=start, stop=stop, masks=masks), stop - start, seed)
        progress(stop - start)
    added = max(0, profiles - have)
    if added:
        with connection.cursor() as cursor:
            # The visibility map makes index-only scans so, and the planner needs statistics.
            for model in (get_user_model(), Profile):
                table = sql.Identifier(model._meta.db_table)
                cursor.execute(sql.SQL("VACUUM (ANALYZE) {}").format(table))
        kept.invalidate([GROUP])
    return added


def any_profiles() -> bool:
    return Profile.objects.exists()


def people(*, seed: int, start: int, stop: int, masks: list[int]) -> Iterator[Person]:
    """Yield the persons from ``start`` up to ``stop``; the same whatever was asked before."""
    for chunk in range(start // CHUNK, -(-stop // CHUNK)):
        random = Random(f"{seed}:{chunk}")  # noqa: S311 -- repeatable on purpose
        for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
            person = _person(number, random, masks)
            if start <= number < stop:
                yield person


def _person(number: int, random: Random, masks: list[int]) -> Person:
    choice = random.choice
    role, field = choice(vocabulary.ROLES), choice(vocabulary.FIELDS)
    created = _NEWEST - timedelta(seconds=random.randrange(_SPREAD_S))
    interests = random.sample(vocabulary.INTERESTS, random.randint(2, 6))
    return Person(
        number=number,
        id=_uuid7(created, random),
        first=choice(vocabulary.FIRST_NAMES),
        last=choice(vocabulary.LAST_NAMES),
        title=f"{choice(vocabulary.LEVELS)} {role}".strip(),
        headline=f"{role} in {field}: {interests[0]} and {interests[1]}",
        summary=" ".join(random.sample(vocabulary.SENTENCES, random.randint(2, 5))),
        location=choice(vocabulary.CITIES),
        languages=["en", *random.sample(vocabulary.LANGUAGES, random.choice((0, 0, 1, 1, 2)))],
        interests=interests,
        visibility=random.choices(("public", "unlisted", "private"), (85, 7, 8))[0],
        mask=choice(masks) if masks and random.random() < 0.6 else None,
        is_active=random.random() < 0.98,
        created_at=created,
        updated_at=created + (_NEWEST - created) * random.random(),
    )


def _uuid7(moment: datetime, random: Random) -> UUID:
    """RFC 9562, 5.7, with the random bits from the seed."""
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    return UUID(
        int=milliseconds << 80
        | 0x7 << 76
        | random.getrandbits(12) << 64
        | 0b10 << 62
        | random.getrandbits(62)
    )


def _username(seed: int, number: int) -> str:
    return f"seed-{seed}-{number:08d}"


def _existing(seed: int) -> int:
    """Return how many the seed has; names are numbered, so the highest one tells."""
    newest = (
        get_user_model()
        ._default_manager.filter(username__gte=_username(seed, 0), username__lt=f"seed-{seed}-:")
        .order_by("-username")
        .values_list("username", flat=True)
        .first()
    )
    return 0 if newest is None else int(newest.rpartition("-")[2]) + 1


def _copy(rows: Iterator[Person], count: int, seed: int) -> None:
    made = list(rows)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('auth_user', 'id')) FROM generate_series(1, %s)",
            [count],
        )
        owners = [owner for (owner,) in cursor.fetchall()]
        users = (_user_row(person, owner, seed) for person, owner in zip(made, owners, strict=True))
        _stream(cursor, get_user_model()._meta.db_table, _USER_COLUMNS, users)
        profiles = (
            _profile_row(person, owner, seed) for person, owner in zip(made, owners, strict=True)
        )
        _stream(cursor, Profile._meta.db_table, _PROFILE_COLUMNS, profiles)


def _stream(
    cursor: Any, table: str, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]
) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _user_row(person: Person, owner: int, seed: int) -> tuple[Any, ...]:
    return (
        owner, UNUSABLE_PASSWORD_PREFIX + "seeded", False, _username(seed, person.number),
        person.first, person.last, "", False, True, person.created_at,
    )  # fmt: skip


def _profile_row(person: Person, owner: int, seed: int) -> tuple[Any, ...]:
    name = f"{person.first} {person.last}"
    slug = f"{vocabulary.ascii_slug(name)}-{seed}-{person.number}"
    return (
        person.id, owner, slug, name, person.title, person.headline, person.summary,
        person.location, f"{slug}@example.com", f"+1 555 {person.number:07d}",
        f"https://example.com/{slug}", "", person.languages, person.interests,
        person.visibility, person.mask, person.is_active, person.created_at, person.updated_at,
    )  # fmt: skip
