"""Who is seeded: the same persons for the same seed, wherever one begins."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple
from uuid import UUID

from profiles import samples

CHUNK = 1000
NEWEST = datetime(2026, 10, 1, tzinfo=UTC)
_SPREAD_S = 3 * 365 * 24 * 3600
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def people(*, seed: int, start: int, stop: int, masks: Sequence[int]) -> Iterator[Person]:
    """Yield the persons from ``start`` up to ``stop``; the same whatever was asked before."""
    for chunk in range(start // CHUNK, -(-stop // CHUNK)):
        random = Random(f"{seed}:{chunk}")  # noqa: S311 -- repeatable on purpose
        for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
            person = _person(number, random, masks)
            if start <= number < stop:
                yield person


def _person(number: int, random: Random, masks: Sequence[int]) -> Person:
    choice = random.choice
    role, field = choice(samples.ROLES), choice(samples.FIELDS)
    created = NEWEST - timedelta(seconds=random.randrange(_SPREAD_S))
    interests = random.sample(samples.INTERESTS, random.randint(2, 6))
    return Person(
        number=number,
        id=uuid7(created, random),
        first=choice(samples.FIRST_NAMES),
        last=choice(samples.LAST_NAMES),
        title=f"{choice(samples.LEVELS)} {role}".strip(),
        headline=f"{role} in {field}: {interests[0]} and {interests[1]}",
        summary=" ".join(random.sample(samples.SENTENCES, random.randint(2, 5))),
        location=choice(samples.CITIES),
        languages=["en", *random.sample(samples.LANGUAGES, random.choice((0, 0, 1, 1, 2)))],
        interests=interests,
        visibility=random.choices(("public", "unlisted", "private"), (85, 7, 8))[0],
        mask=choice(masks) if masks and random.random() < 0.6 else None,
        is_active=random.random() < 0.98,
        created_at=created,
        updated_at=created + (NEWEST - created) * random.random(),
    )


def uuid7(moment: datetime, random: Random) -> UUID:
    """RFC 9562, 5.7, with the random bits from the seed."""
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    return UUID(
        int=milliseconds << 80
        | 0x7 << 76
        | random.getrandbits(12) << 64
        | 0b10 << 62
        | random.getrandbits(62)
    )
