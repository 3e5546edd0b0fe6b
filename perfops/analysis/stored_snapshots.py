"""Reading stored snapshots."""

import logging
from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime

from django.db.models import QuerySet

from perfops.analysis.collectors.snapshot import Snapshot
from perfops.analysis.packing import NotReadable, unpack
from perfops.models.analyses import Analysis, StoredSnapshot

log = logging.getLogger(__name__)


def newest_of_an_analysis(database: str, *, before: datetime) -> StoredSnapshot | None:
    """Return the newest that an analysis left, taken not after ``before``."""
    return _kept(database).filter(taken_at__lte=before, analysis__isnull=False).first()


def at(database: str, when: datetime) -> StoredSnapshot | None:
    """Return the newest taken not after ``when``; where none is so old, the oldest."""
    return _kept(database).filter(taken_at__lte=when).first() or _kept(database).last()


def first_where(
    database: str, holds: Callable[[Snapshot], bool], *, after: datetime, before: datetime
) -> Snapshot | None:
    """Return the earliest taken between the two times for which ``holds``; None for none.

    What holds once must hold in all later ones: few are unpacked.
    """
    kept = _kept(database).filter(taken_at__gt=after, taken_at__lt=before)
    ids = list(kept.order_by("taken_at").values_list("pk", flat=True))

    def is_so(pk: int) -> bool:
        found = read(StoredSnapshot.objects.get(pk=pk))
        return found is not None and holds(found)

    place = bisect_left(ids, True, key=is_so)
    return read(StoredSnapshot.objects.get(pk=ids[place])) if place < len(ids) else None


def of_analysis(analysis: Analysis) -> StoredSnapshot | None:
    return StoredSnapshot.objects.filter(analysis=analysis, packed__isnull=False).first()


def read(stored: StoredSnapshot | None) -> Snapshot | None:
    """Return the snapshot itself; None where this code can't read it any more."""
    if stored is None or stored.packed is None:
        return None
    try:
        return unpack(bytes(stored.packed))
    except NotReadable as error:
        log.info("%s: %s", stored, error)
        return None


def _kept(database: str) -> QuerySet[StoredSnapshot]:
    kept = StoredSnapshot.objects.filter(database=database, packed__isnull=False)
    return kept.select_related("analysis").order_by("-taken_at")
