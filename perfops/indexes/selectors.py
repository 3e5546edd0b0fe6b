"""Reading index recommendations."""

from perfops.models.analyses import Finding
from perfops.models.recommendations import Recommendation


def of_finding(finding: Finding) -> Recommendation | None:
    """Return the proof and the change behind ``finding``, None where it is about no index."""
    return Recommendation.objects.filter(finding=finding).first()


def with_migrations(database: str) -> list[Recommendation]:
    """Return the recommendations for ``database`` that wait to be applied and have a migration."""
    waiting = Recommendation.objects.exclude(migration="").filter(
        finding__database=database, applied_at=None
    )
    open_ones = waiting.exclude(finding__status__in=[Finding.Status.RESOLVED, Finding.Status.MUTED])
    return list(open_ones.select_related("finding").order_by("-gain", "id"))
