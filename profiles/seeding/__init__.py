"""Development data: profiles with a realistic spread, the same ones for the same seed.

Rows are made batch by batch and streamed by COPY: a million need no more memory than a thousand.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import connection, transaction
from psycopg import sql

from midst.kernel import cache
from profiles.cache import INVALIDATES
from profiles.models import Profile, Skill
from profiles.samples import ascii_slug
from profiles.seeding import rows as seeded
from profiles.seeding.handmade import handmade
from profiles.seeding.people import Person, people
from taxonomy import selectors as taxonomy

__all__ = ["any_profiles", "handmade", "people", "seed"]


_BATCH = 5_000
_Batch = tuple[list[Person], dict[seeded.Table, list[seeded.Row]]]

_USER_COLUMNS = (
    "id", "password", "is_superuser", "username", "first_name", "last_name", "email",
    "is_staff", "is_active", "date_joined",
)  # fmt: skip
_PROFILE_COLUMNS = (
    "id", "owner_id", "slug", "display_name", "title", "headline", "summary", "location",
    "email", "phone", "website", "avatar_url", "languages", "interests", "visibility",
    "default_mask_id", "is_active", "created_at", "updated_at",
)  # fmt: skip


def seed(*, profiles: int, seed: int, progress: Callable[[int], None] = lambda _: None) -> int:
    """Make profiles until the seed has ``profiles`` of them; return how many were added.

    ``progress`` is called with the number of profiles of each batch. A batch is one transaction,
    so after an interruption the next call continues where this one stopped.
    """
    have = _existing(seed)
    masks = taxonomy.mask_ids()
    references = seeded.References(
        masks, taxonomy.epoch_ids(), taxonomy.stage_ids(), seeded.postings(seed)
    )
    for made, rows in _made_ahead(have, profiles, seed, references):
        with transaction.atomic():
            _copy(made, rows, seed)
        progress(len(made))
    added = max(0, profiles - have)
    if added:
        _vacuum()
        cache.invalidate({group for each in INVALIDATES.values() for group in each.all_groups})
    return added


def _made_ahead(have: int, want: int, seed: int, references: seeded.References) -> Iterator[_Batch]:
    """Yield batches; the next one is made while PostgreSQL stores the one before."""

    def make(start: int) -> _Batch:
        stop = min(start + _BATCH, want)
        made = list(people(seed=seed, start=start, stop=stop, masks=references.masks))
        return made, seeded.rows(made, seed, references)

    with ThreadPoolExecutor(max_workers=1) as ahead:
        waiting: deque[Future[_Batch]] = deque()
        for start in range(have, want, _BATCH):
            waiting.append(ahead.submit(make, start))
            if len(waiting) > 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def any_profiles() -> bool:
    return Profile.objects.exists()


def _username(seed: int, number: int) -> str:
    return f"seed-{seed}-{number:08d}"


def _existing(seed: int) -> int:
    """Return how many profiles the seed has; names are numbered, so the highest one says it."""
    newest = (
        get_user_model()
        ._default_manager.filter(username__gte=_username(seed, 0), username__lt=f"seed-{seed}-:")
        .order_by("-username")
        .values_list("username", flat=True)
        .first()
    )
    return 0 if newest is None else int(newest.rpartition("-")[2]) + 1


def _copy(made: list[Person], rows: dict[seeded.Table, list[seeded.Row]], seed: int) -> None:
    users = get_user_model()._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [users, len(made)],
        )
        owned = list(zip(made, (owner for (owner,) in cursor.fetchall()), strict=True))
        _stream(cursor, users, _USER_COLUMNS, (_user_row(*each, seed) for each in owned))
        profiles = (_profile_row(*each, seed) for each in owned)
        # Skills first: the search then reads each profile once, with all its words.
        skills = [table for table in rows if table.name == Skill._meta.db_table]
        for table in skills:
            _stream(cursor, table.name, table.columns, rows[table])
        _stream(cursor, Profile._meta.db_table, _PROFILE_COLUMNS, profiles)
        for table in rows.keys() - skills:
            _stream(cursor, table.name, table.columns, rows[table])


def _stream(
    cursor: Any, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]
) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _vacuum() -> None:
    """Index-only scans need the visibility map, and the planner needs statistics."""
    tables = [get_user_model()._meta.db_table, Profile._meta.db_table]
    with connection.cursor() as cursor:
        for table in (*tables, *(table.name for table in seeded.TABLES)):
            cursor.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))


def _user_row(person: Person, owner: int, seed: int) -> tuple[Any, ...]:
    return (
        owner, UNUSABLE_PASSWORD_PREFIX + "seeded", False, _username(seed, person.number),
        person.first, person.last, "", False, True, person.created_at,
    )  # fmt: skip


def _profile_row(person: Person, owner: int, seed: int) -> tuple[Any, ...]:
    name = f"{person.first} {person.last}"
    slug = f"{ascii_slug(name)}-{seed}-{person.number}"
    return (
        person.id, owner, slug, name, person.title, person.headline, person.summary,
        person.location, f"{slug}@example.com", f"+1 555 {person.number:07d}",
        f"https://example.com/{slug}", "", person.languages, person.interests,
        person.visibility, person.mask, person.is_active, person.created_at, person.updated_at,
    )  # fmt: skip
