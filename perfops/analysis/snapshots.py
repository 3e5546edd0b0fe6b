"""Keeping snapshots: after each analysis, each hour, and not for ever."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from perfops.analysis.collectors import snapshot
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.analysis.packing import pack
from perfops.conf import conf
from perfops.database.timestamps import to_datetime
from perfops.models.analyses import Analysis, StoredSnapshot


def take_hourly(database: str = "default") -> StoredSnapshot:
    """Look at the counters alone and keep them, so that a window can begin at any hour.

    Raises ``django.db.Error`` when the database does not answer.
    """
    return keep(snapshot.take(database, light=True), database=database, texts=0)


def keep(
    taken: Snapshot, *, database: str, texts: int, analysis: Analysis | None = None
) -> StoredSnapshot:
    """Store ``taken``, and let go of what has been kept long enough."""
    with transaction.atomic():
        stored = StoredSnapshot.objects.create(
            database=database,
            analysis=analysis,
            taken_at=to_datetime(taken.taken_at),
            packed=pack(taken, texts=texts),
            database_bytes=taken.database.bytes if taken.database else None,
        )
        expire(database)
    return stored


def expire(database: str) -> int:
    """Empty the snapshots past their time; their summaries stay. Return how many."""
    kept = StoredSnapshot.objects.filter(database=database, packed__isnull=False)
    hourly = kept.filter(
        analysis__isnull=True,
        taken_at__lt=timezone.now() - timedelta(days=conf().KEEP_HOURLY_DAYS),
    )
    of_analyses = kept.filter(analysis__isnull=False).order_by("-taken_at", "-pk")
    old = of_analyses.values_list("pk", flat=True)[conf().KEEP_ANALYSES :]
    return hourly.update(packed=None) + kept.filter(pk__in=list(old)).update(packed=None)
