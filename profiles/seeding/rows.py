"""What hangs on a seeded profile: its CV, timeline, narratives, applications and plan."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from profiles.models import (
    Award,
    Certification,
    Education,
    Experience,
    JobApplication,
    JobPosting,
    Narrative,
    Project,
    Publication,
    Skill,
    SocialLink,
    Subscription,
    TimelineEvent,
)
from profiles.seeding import vocabulary as words
from profiles.seeding.people import NEWEST, Person, uuid7

_POSTINGS = 200
_EVENTS = 10
_FIRST_DAY = date(2000, 1, 1).toordinal()
_FRAME = (
    "id", "profile_id", "position", "starts_on", "ends_on", "tags", "created_at", "updated_at",
)  # fmt: skip

Row = tuple[Any, ...]


class Table(NamedTuple):
    """Where rows go: a table, and the columns in the order of a row."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """What rows point at."""

    masks: Sequence[int]
    epochs: Sequence[int]
    stages: Sequence[int]
    postings: Sequence[UUID]


def _table(model: Any, *columns: str) -> Table:
    return Table(model._meta.db_table, columns)


def _entries(model: Any, *own: str) -> Table:
    return _table(model, *_FRAME, *own)


def _pick[Item](random: Random, items: Sequence[Item]) -> Item:
    """Millions of times: three times as quick as ``random.choice``."""
    return items[int(random.random() * len(items))]


def _some_tags() -> list[str]:
    """Lists of no to three tags, as PostgreSQL writes them."""
    random = Random("tags")  # noqa: S311
    samples = (random.sample(words.INTERESTS, count % 4) for count in range(400))
    return ["{" + ",".join(f'"{tag}"' for tag in sample) + "}" for sample in samples]


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


# Each kind of entry: how often it comes, its table, and how its own columns are made.
_CV: tuple[tuple[int, Table, Callable[[Random], Row]], ...] = (
    (30, _entries(Experience, "role", "organization", "location", "description"),
     lambda r: (_pick(r, words.ROLES), _pick(r, words.COMPANIES), _pick(r, words.CITIES),
                _pick(r, words.SENTENCES))),
    (10, _entries(Education, "institution", "degree", "field", "description"),
     lambda r: (f"University of {_pick(r, words.CITIES)}", _pick(r, words.DEGREES),
                _pick(r, words.FIELDS), "")),
    (18, _entries(Project, "name", "role", "url", "description", "external_id"),
     lambda r: (f"{_pick(r, words.ADJECTIVES)} {_pick(r, words.THINGS)}", "", "",
                _pick(r, words.SENTENCES), "")),
    (22, _entries(Skill, "name", "category", "level"),
     lambda r: (_pick(r, words.INTERESTS), "", 1 + int(r.random() * 5))),
    (5, _entries(Publication, "title", "publisher", "url", "description"),
     lambda r: (f"On {_pick(r, words.INTERESTS)} in {_pick(r, words.FIELDS)}",
                _pick(r, words.COMPANIES), "", "")),
    (4, _entries(Award, "title", "issuer", "description"),
     lambda r: (f"Prize for {_pick(r, words.INTERESTS)}", _pick(r, words.COMPANIES), "")),
    (5, _entries(Certification, "name", "issuer", "credential_id", "url"),
     lambda r: (f"Certified in {_pick(r, words.INTERESTS)}", _pick(r, words.COMPANIES), "", "")),
    (6, _entries(SocialLink, "platform", "url"),
     lambda r: ("Mastodon", f"https://social.example/@{int(r.random() * 10**9)}")),
)  # fmt: skip
_KINDS_OF_ENTRY = [kind for kind in _CV for _ in range(kind[0])]

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
TABLES = (*(table for _, table, _ in _CV), _TIMELINE, _NARRATIVES, _APPLICATIONS, _SUBSCRIPTIONS)


def rows(people: Sequence[Person], seed: int, about: Words) -> dict[Table, list[Row]]:
    """Return the rows of ``people``, by table. A person's depend on nobody else."""
    made: dict[Table, list[Row]] = {table: [] for table in TABLES}
    for person in people:
        random = Random(f"{seed}:{person.number}:parts")  # noqa: S311 -- repeatable on purpose
        for position in range(5 + int(random.random() * 11)):
            _, table, own = _pick(random, _KINDS_OF_ENTRY)
            made[table].append((*_frame(person, position, random), *own(random)))
        made[_TIMELINE].extend(_event(person, random, about) for _ in range(_EVENTS))
        made[_NARRATIVES].extend(_narratives(person, random, about))
        made[_APPLICATIONS].extend(_applications(person, random, about))
        made[_SUBSCRIPTIONS].append(_subscription(person, random))
    return made


def postings(seed: int) -> list[UUID]:
    """Return the postings of the seed; make them where they are not there yet."""
    random = Random(f"{seed}:postings")  # noqa: S311
    made = [
        JobPosting(
            id=uuid7(NEWEST - timedelta(hours=random.randrange(20_000)), random),
            title=f"{_pick(random, words.LEVELS)} {_pick(random, words.ROLES)}".strip(),
            company=_pick(random, words.COMPANIES),
            salary_min=(least := random.randrange(40, 120) * 1000),
            salary_max=least + random.randrange(5, 40) * 1000,
            currency="EUR",
            location=_pick(random, words.CITIES),
            description=" ".join(random.sample(words.SENTENCES, 3)),
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
        _pick(random, _TAGS),
        person.created_at, person.updated_at,
    )  # fmt: skip


def _event(person: Person, random: Random, about: Words) -> Row:
    starts_on, ends_on = _span(random)
    return (
        uuid7(person.created_at, random), person.id, _pick(random, _KINDS),
        f"{_pick(random, words.ADJECTIVES)} {_pick(random, words.THINGS)}",
        _pick(random, words.SENTENCES), starts_on, ends_on,
        _pick(random, _TAGS), round(random.random(), 2),
        _pick(random, about.epochs), _pick(random, about.stages),
        person.created_at, person.updated_at,
    )  # fmt: skip


def _narratives(person: Person, random: Random, about: Words) -> Iterator[Row]:
    for _ in range(1 + int(random.random() * 3)):
        changed = _between(person, random)
        approved = random.random() < 0.6
        block = {
            "title": _pick(random, words.THINGS).capitalize(),
            "body": _pick(random, words.SENTENCES),
            "tags": ["impact", "user"],
            "weight": round(random.random() * 5, 2),
            "template": "",
        }
        yield (
            uuid7(person.created_at, random), person.id, _pick(random, about.masks),
            Narrative.Status.APPROVED if approved else Narrative.Status.DRAFT,
            json.dumps([block]), "{}", "", changed if approved else None,
            person.created_at, changed,
        )  # fmt: skip


def _applications(person: Person, random: Random, about: Words) -> Iterator[Row]:
    if random.random() > 0.2:
        return
    for posting in random.sample(about.postings, random.randint(1, 4)):
        changed = _between(person, random)
        status = _pick(random, _STATUSES)
        applied = None if status == JobApplication.Status.DRAFT else changed
        yield (
            uuid7(person.created_at, random), person.id, posting, status,
            _pick(random, words.SENTENCES), applied, person.created_at, changed,
        )  # fmt: skip


def _subscription(person: Person, random: Random) -> Row:
    tier = _pick(random, _TIERS)
    paid = tier != Subscription.Tier.FREE
    status = _pick(random, _PLAN_STATUSES) if paid else "active"
    # Long enough for a development database to stay as it was made.
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
