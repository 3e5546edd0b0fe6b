"""Job postings: anyone may read them."""

from uuid import UUID

import msgspec

from midst.kernel import cache, pagination
from midst.kernel.cache import Answer
from midst.kernel.problems import NOT_FOUND, Problem
from profiles.cache import POSTINGS, posting_key, postings_key
from profiles.models import JobApplication, JobPosting
from profiles.schemas.jobs import JobPosting as Shown

_COLUMNS = tuple(Shown.model_fields)


def listed(*, status: str, path: str, limit: int, cursor: str) -> Answer:
    """Return a page of the postings of this status, newest first; one query on a miss."""

    def compute() -> bytes:
        found = JobPosting.objects.filter(status=status).values(*_COLUMNS)
        page = pagination.page(found, limit=limit, cursor=cursor)
        return pagination.encode(page, path=path, limit=limit, status=status)

    key = postings_key(status=status, limit=limit, cursor=cursor)
    return cache.read(POSTINGS, key, compute=compute)


def detail(key: UUID) -> Answer:
    """Return one posting. Raises ``Problem`` (404)."""
    return cache.read(POSTINGS, posting_key(str(key)), compute=lambda: encoded(key))


def encoded(key: UUID) -> bytes:
    """Return one posting as it is now. Raises ``Problem`` (404)."""
    row = JobPosting.objects.filter(pk=key).values(*_COLUMNS).first()
    if row is None:
        raise nowhere()
    return msgspec.json.encode(row)


def is_used(key: UUID) -> bool:
    """Say whether somebody has applied for it."""
    return JobApplication.objects.filter(posting_id=key).exists()


def key_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def nowhere() -> Problem:
    return Problem(NOT_FOUND, "There is no such posting.")
