"""Reading index advice."""

from perfops.models.analyses import Finding
from perfops.models.recommendations import IndexAdvice


def of_finding(finding: Finding) -> IndexAdvice | None:
    """Return the proof and the change behind ``finding``, None where it is about no index."""
    return IndexAdvice.objects.filter(finding=finding).first()


def with_migrations(database: str) -> list[IndexAdvice]:
    """Return the advice for ``database`` that waits to be applied and has a migration."""
    waiting = IndexAdvice.objects.exclude(migration="").filter(
        finding__database=database, applied_at=None
    )
    open_ones = waiting.exclude(finding__status__in=[Finding.Status.RESOLVED, Finding.Status.MUTED])
    return list(open_ones.select_related("finding").order_by("-gain", "id"))
