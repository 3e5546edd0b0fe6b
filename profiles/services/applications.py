"""Applications for jobs, and the way they may go."""

from datetime import UTC, datetime
from typing import Any

from midst.kernel.problems import CONFLICT, Problem, invalid
from profiles.models import JobApplication, JobPosting, Profile, UsageQuota
from profiles.services import collections, quotas

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
        fields = {**fields, "posting_id": fields["posting"]}
        del fields["posting"]
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
    allowed = _NEXT[now]
    if wanted not in allowed:
        choices = " or ".join(sorted(allowed)) or "nothing"
        raise Problem(CONFLICT, f"After {now} comes {choices}, not {wanted}.")
