"""Job postings, which staff keeps."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest

from midst.kernel.http import check_preconditions
from midst.kernel.problems import CONFLICT, Problem, invalid
from profiles.models import JobApplication, JobPosting, Profile, UsageQuota
from profiles.selectors import postings
from profiles.services import collections, quotas


def create(fields: dict[str, Any]) -> tuple[UUID, bytes]:
    """Make a posting; return its id and its JSON. Raises ``Problem`` (422)."""
    posting = JobPosting(**fields)
    _check_salary(posting)
    posting.save(force_insert=True)
    return posting.pk, postings.encoded(posting.pk)


def change(request: HttpRequest, key: UUID, fields: dict[str, Any]) -> bytes:
    """Change a posting; return its JSON now. Raises ``Problem``: 404, 412, 422."""
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


_STATUS = JobApplication.Status
# What may follow what.
_NEXT = {
    _STATUS.DRAFT: {_STATUS.SUBMITTED, _STATUS.WITHDRAWN},
    _STATUS.SUBMITTED: {_STATUS.INTERVIEWING, _STATUS.REJECTED, _STATUS.WITHDRAWN},
    _STATUS.INTERVIEWING: {_STATUS.OFFERED, _STATUS.REJECTED, _STATUS.WITHDRAWN},
    _STATUS.OFFERED: {_STATUS.REJECTED, _STATUS.WITHDRAWN},
    _STATUS.REJECTED: set(),
    _STATUS.WITHDRAWN: set(),
}


def prepare(row: JobApplication, profile: Profile, fields: dict[str, Any]) -> None:
    """A new application spends the quota; a status follows from the one before."""
    if row._state.adding:
        _check_posting(fields["posting"])
        fields["posting_id"] = fields.pop("posting")
        quotas.consume(profile, UsageQuota.Feature.JOB_APPLICATIONS)
    else:
        _check_step(row, fields)
    collections.as_sent(row, profile, fields)
    if row.applied_at is None and row.status == _STATUS.SUBMITTED:
        row.applied_at = datetime.now(UTC)


def _check_posting(key: Any) -> None:
    status = JobPosting.objects.filter(pk=key).values_list("status", flat=True).first()
    if status is None:
        raise invalid("body.posting", "There is no such posting.")
    if status != JobPosting.Status.OPEN:
        raise Problem(CONFLICT, "The posting is closed.")


def _check_step(row: JobApplication, fields: dict[str, Any]) -> None:
    wanted, now = fields.get("status", row.status), _STATUS(row.status)
    if wanted == now:
        return
    if wanted not in (allowed := _NEXT[now]):
        choices = " or ".join(sorted(allowed)) or "nothing"
        raise Problem(CONFLICT, f"After {now} comes {choices}, not {wanted}.")
