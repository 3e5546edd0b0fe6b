"""Job postings, which staff keeps."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest

from midst.kernel.http import check_preconditions
from midst.kernel.problems import CONFLICT, Problem, invalid
from profiles.models import JobPosting
from profiles.selectors import postings


def create(fields: dict[str, Any]) -> tuple[UUID, bytes]:
    """Make a posting; return its id, and how it goes out. Raises ``Problem`` (422)."""
    posting = JobPosting(**fields)
    _check_salary(posting)
    posting.save(force_insert=True)
    return posting.pk, postings.encoded(posting.pk)


def change(request: HttpRequest, key: UUID, fields: dict[str, Any]) -> bytes:
    """Change a posting; return how it goes out now. Raises ``Problem``: 404, 412, 422."""
    with transaction.atomic():
        posting = _locked(key)
        check_preconditions(request, postings.encoded(key))
        for name, value in fields.items():
            setattr(posting, name, value)
        _check_salary(posting)
        posting.save()
        return postings.encoded(key)


def delete(request: HttpRequest, key: UUID) -> None:
    """Delete a posting. Raises ``Problem``: 404, 409 when somebody has applied for it."""
    with transaction.atomic():
        posting = _locked(key)
        check_preconditions(request, postings.encoded(key))
        if postings.is_used(key):
            raise Problem(CONFLICT, "There are applications for this posting: close it instead.")
        posting.delete()


def _locked(key: UUID) -> JobPosting:
    posting = JobPosting.objects.select_for_update().filter(pk=key).first()
    if posting is None:
        raise postings.nowhere()
    return posting


def _check_salary(posting: JobPosting) -> None:
    least, most = posting.salary_min, posting.salary_max
    if least is not None and most is not None and most < least:
        raise invalid("body.salary_max", "can't be below salary_min")
