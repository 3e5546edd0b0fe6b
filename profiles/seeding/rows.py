"""The rows of a seeded profile: CV, timeline, narratives, applications, subscription."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from profiles import samples
from profiles.collections import CV, Collection
from profiles.collections.declaration import Seeded
from profiles.models import JobApplication, JobPosting, Narrative, Subscription, TimelineEvent
from profiles.samples import pick
from profiles.schemas.entries import own_fields
from profiles.seeding.people import NEWEST, Person, uuid7

_POSTINGS = 200
_EVENTS = 10
_FIRST_DAY = date(2000, 1, 1).toordinal()
_FRAME = (
    "id", "profile_id", "position", "starts_on", "ends_on", "tags", "created_at", "updated_at",
)  # fmt: skip

Row = tuple[Any, ...]


class Table(NamedTuple):
    """A table, and its columns in the order of a row."""

    name: str
    columns: tuple[str, ...]


class _Entries(NamedTuple):
    """How the entries of one collection are made: ``make`` gives the columns after _FRAME."""

    table: Table
    share: int
    make: list[Callable[[Random], Any]]


@dataclass(frozen=True, slots=True)
class References:
    """The keys of the rows in other tables that seeded rows refer to."""

    masks: Sequence[int]
    epochs: Sequence[int]
    stages: Sequence[int]
    postings: Sequence[UUID]


def _table(model: Any, *columns: str) -> Table:
    return Table(model._meta.db_table, columns)


def _some_tags() -> list[str]:
    """Return lists of up to three tags, as array literals of PostgreSQL."""
    random = Random("tags")  # noqa: S311
    chosen = (random.sample(samples.INTERESTS, count % 4) for count in range(400))
    return ["{" + ",".join(f'"{tag}"' for tag in tags) + "}" for tags in chosen]


_TAGS = _some_tags()
_KINDS = tuple(TimelineEvent.Kind.values)
# Some more often than others.
_STATUSES = tuple(
    status
    for status, share in zip(JobApplication.Status.values, (4, 8, 3, 1, 3, 1), strict=True)
    for _ in range(share)
)
_TIERS = tuple(
    tier
    for tier, share in zip(Subscription.Tier.values, (80, 15, 5), strict=True)
    for _ in range(share)
)
_PLAN_STATUSES = ("active",) * 27 + tuple(Subscription.Status.values[1:])


def _entry_table(collection: Collection, seeded: Seeded) -> _Entries:
    own = list(own_fields(collection.model))
    made = [seeded.columns.get(each.name, _constant(each.get_default())) for each in own]
    columns = (*_FRAME, *(each.name for each in own))
    return _Entries(_table(collection.model, *columns), seeded.share, made)


def _constant(value: Any) -> Callable[[Random], Any]:
    return lambda random: value


_CV = [_entry_table(each, each.seeded) for each in CV if each.seeded is not None]
# Each as often as its share says.
_ENTRIES = [entries for entries in _CV for _ in range(entries.share)]

_TIMELINE = _table(
    TimelineEvent, "id", "profile_id", "kind", "title", "description", "starts_on", "ends_on",
    "tags", "importance", "epoch_id", "stage_id", "created_at", "updated_at",
)  # fmt: skip
_NARRATIVES = _table(
    Narrative, "id", "profile_id", "mask_id", "status", "blocks", "meta", "revision_note",
    "approved_at", "created_at", "updated_at",
)  # fmt: skip
_APPLICATIONS = _table(
    JobApplication, "id", "profile_id", "posting_id", "status", "cover_letter", "applied_at",
    "created_at", "updated_at",
)  # fmt: skip
_SUBSCRIPTIONS = _table(
    Subscription, "profile_id", "tier", "status", "period_start", "period_end", "cancel_at",
    "created_at", "updated_at",
)  # fmt: skip
TABLES = (*(table for table, _, _ in _CV), _TIMELINE, _NARRATIVES, _APPLICATIONS, _SUBSCRIPTIONS)


def rows(people: Sequence[Person], seed: int, about: References) -> dict[Table, list[Row]]:
    """Return the rows of ``people``, by table. The rows of a person depend on no other person."""
    made: dict[Table, list[Row]] = {table: [] for table in TABLES}
    for person in people:
        random = Random(f"{seed}:{person.number}:parts")  # noqa: S311 -- repeatable on purpose
        for position in range(5 + int(random.random() * 11)):
            entries = pick(random, _ENTRIES)
            # The random order of the calls is part of what a seed means: the frame comes first.
            frame = _frame(person, position, random)
            made[entries.table].append((*frame, *[make(random) for make in entries.make]))
        made[_TIMELINE].extend(_event(person, random, about) for _ in range(_EVENTS))
        made[_NARRATIVES].extend(_narratives(person, random, about))
        made[_APPLICATIONS].extend(_applications(person, random, about))
        made[_SUBSCRIPTIONS].append(_subscription(person, random))
    return made


def postings(seed: int) -> list[UUID]:
    """Return the postings of the seed; create those that are missing."""
    random = Random(f"{seed}:postings")  # noqa: S311
    made = [
        JobPosting(
            id=uuid7(NEWEST - timedelta(hours=random.randrange(20_000)), random),
            title=f"{pick(random, samples.LEVELS)} {pick(random, samples.ROLES)}".strip(),
            company=pick(random, samples.COMPANIES),
            salary_min=(least := random.randrange(40, 120) * 1000),
            salary_max=least + random.randrange(5, 40) * 1000,
            currency="EUR",
            location=pick(random, samples.CITIES),
            description=" ".join(random.sample(samples.SENTENCES, 3)),
            status=random.choices(JobPosting.Status.values, (80, 20))[0],
        )
        for _ in range(_POSTINGS)
    ]
    JobPosting.objects.bulk_create(made, ignore_conflicts=True)
    return [posting.id for posting in made]


def _frame(person: Person, position: int, random: Random) -> Row:
    starts_on, ends_on = _span(random)
    return (
        uuid7(person.created_at, random), person.id, position, starts_on, ends_on,
        pick(random, _TAGS),
        person.created_at, person.updated_at,
    )  # fmt: skip


def _event(person: Person, random: Random, about: References) -> Row:
    starts_on, ends_on = _span(random)
    return (
        uuid7(person.created_at, random), person.id, pick(random, _KINDS),
        f"{pick(random, samples.ADJECTIVES)} {pick(random, samples.THINGS)}",
        pick(random, samples.SENTENCES), starts_on, ends_on,
        pick(random, _TAGS), round(random.random(), 2),
        pick(random, about.epochs), pick(random, about.stages),
        person.created_at, person.updated_at,
    )  # fmt: skip


def _narratives(person: Person, random: Random, about: References) -> Iterator[Row]:
    for _ in range(1 + int(random.random() * 3)):
        changed = _between(person, random)
        approved = random.random() < 0.6
        block = {
            "title": pick(random, samples.THINGS).capitalize(),
            "body": pick(random, samples.SENTENCES),
            "tags": ["impact", "user"],
            "weight": round(random.random() * 5, 2),
            "template": "",
        }
        yield (
            uuid7(person.created_at, random), person.id, pick(random, about.masks),
            Narrative.Status.APPROVED if approved else Narrative.Status.DRAFT,
            json.dumps([block]), "{}", "", changed if approved else None,
            person.created_at, changed,
        )  # fmt: skip


def _applications(person: Person, random: Random, about: References) -> Iterator[Row]:
    if random.random() > 0.2:
        return
    for posting in random.sample(about.postings, random.randint(1, 4)):
        changed = _between(person, random)
        status = pick(random, _STATUSES)
        applied = None if status == JobApplication.Status.DRAFT else changed
        yield (
            uuid7(person.created_at, random), person.id, posting, status,
            pick(random, samples.SENTENCES), applied, person.created_at, changed,
        )  # fmt: skip


def _subscription(person: Person, random: Random) -> Row:
    tier = pick(random, _TIERS)
    paid = tier != Subscription.Tier.FREE
    status = pick(random, _PLAN_STATUSES) if paid else "active"
    # Far in the future, so that a development database stays as it was made.
    end = NEWEST + timedelta(days=random.randrange(400, 3650)) if paid else None
    return (
        person.id, tier, status, person.created_at if paid else None, end, None,
        person.created_at, person.updated_at,
    )  # fmt: skip


def _span(random: Random) -> tuple[date, date | None]:
    start = _FIRST_DAY + int(random.random() * 9700)
    if random.random() < 0.2:
        return date.fromordinal(start), None
    return date.fromordinal(start), date.fromordinal(start + int(random.random() * 2000))


def _between(person: Person, random: Random) -> datetime:
    return person.created_at + (NEWEST - person.created_at) * random.random()
