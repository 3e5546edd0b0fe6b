"""Reading stored snapshots."""

import logging
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
