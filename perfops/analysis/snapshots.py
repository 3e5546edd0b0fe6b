"""Stored snapshots: written after each analysis and each hour, read, compared to, expired.

In a row: MessagePack, compressed. 5,000 statements take about 100 kB.
"""

import logging
import re
import zlib
from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property

import msgspec
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from perfops.analysis.collectors import snapshot
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.conf import conf
from perfops.formatting import to_datetime
from perfops.models.analyses import Analysis, StoredSnapshot

log = logging.getLogger(__name__)
_QUICK = 3


class NotReadable(ValueError):
    """The bytes are of another layout, or of none."""


def pack(snapshot: Snapshot, *, texts: int) -> bytes:
    """Return ``snapshot`` with the texts of the ``texts`` costliest statements.

    All numbers stay: a later difference needs them. Who did what at that moment does not: it
    is in the findings, and texts of sessions may hold anyone's data.
    """
    kept = msgspec.structs.replace(snapshot, sessions=(), prepared=())
    if snapshot.statements is not None:
        by_cost = sorted(snapshot.statements, key=lambda s: -s.total_ms)
        kept = msgspec.structs.replace(
            kept,
            statements=(
                *by_cost[:texts],
                *(msgspec.structs.replace(s, text="") for s in by_cost[texts:]),
            ),
        )
    return zlib.compress(msgspec.msgpack.encode(kept), _QUICK)


def unpack(packed: bytes) -> Snapshot:
    """Return what ``pack`` was given. Raises ``NotReadable``."""
    try:
        return msgspec.msgpack.decode(zlib.decompress(packed), type=Snapshot)
    except (zlib.error, msgspec.DecodeError) as error:
        raise NotReadable(f"a snapshot of another layout: {error}") from error


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


def newest_of_an_analysis(database: str, *, before: datetime) -> StoredSnapshot | None:
    """Return the newest that an analysis left, taken not after ``before``."""
    return _kept(database).filter(taken_at__lte=before, analysis__isnull=False).first()


def at(database: str, when: datetime) -> StoredSnapshot | None:
    """Return the newest taken not after ``when``; where none is so old, the oldest."""
    return _kept(database).filter(taken_at__lte=when).first() or _kept(database).last()


class Kept:
    """The snapshots of ``database`` taken between two times, oldest first.

    They are looked for when first asked for, and each is unpacked once.
    """

    def __init__(self, database: str, *, after: datetime, before: datetime) -> None:
        kept = _kept(database).filter(taken_at__gt=after, taken_at__lt=before)
        self._rows = kept.order_by("taken_at")
        self._read: dict[int, Snapshot | None] = {}

    def around(self, holds: Callable[[Snapshot], bool]) -> tuple[Snapshot | None, Snapshot | None]:
        """Return the last one for which it does not hold yet, and the first for which it does.

        What holds once must hold in all later ones: few are unpacked. Raises ``django.db.Error``.
        """

        def is_so(pk: int) -> bool:
            found = self._of(pk)
            return found is not None and holds(found)

        place = bisect_left(self._ids, True, key=is_so)
        last = self._of(self._ids[place - 1]) if place else None
        return last, self._of(self._ids[place]) if place < len(self._ids) else None

    @cached_property
    def _ids(self) -> list[int]:
        return list(self._rows.values_list("pk", flat=True))

    def _of(self, pk: int) -> Snapshot | None:
        if pk not in self._read:
            self._read[pk] = read(StoredSnapshot.objects.get(pk=pk))
        return self._read[pk]


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


# The id of an analysis, or how long ago.
Since = int | timedelta
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str) -> Since:
    """Return the id of an analysis, or how long ago (30m, 24h, 7d, 2w). Raises ``ValueError``."""
    if text.isdecimal() and len(text) < _ID_DIGITS:
        return int(text)
    found = re.fullmatch(r"(\d{1,4})([mhdw])", text)
    if found is None:
        raise ValueError(f"{text!r} is neither an analysis nor a time like 30m, 24h, 7d, 2w")
    number, unit = found.groups()
    return timedelta(**{_UNITS[unit]: int(number)})


_ID_DIGITS = 19


class NoBaseline(ValueError):
    """There is no such snapshot; the message says which there are."""


def find(database: str, present: Snapshot, since: Since | None) -> StoredSnapshot | None:
    """Return the snapshot where the window of ``present`` begins; None for *all there is*.

    Without ``since``: the last analysis, if it is ``WINDOW_MIN_S`` old; a window of minutes
    would call everything cured that nobody asked for just now. Raises ``NoBaseline``.
    """
    now = to_datetime(present.taken_at)
    if isinstance(since, int):
        return _of_analysis(database, since)
    if since is None:
        oldest = now - timedelta(seconds=conf().WINDOW_MIN_S)
        return newest_of_an_analysis(database, before=oldest)
    found = at(database, now - since)
    return found if found is not None and found.taken_at < now else None


def require(database: str, since: Since | None) -> None:
    """Raise ``NoBaseline`` where ``since`` is an analysis that no window can begin at."""
    if isinstance(since, int):
        _of_analysis(database, since)


def _of_analysis(database: str, pk: int) -> StoredSnapshot:
    analysis = Analysis.objects.filter(pk=pk, database=database).first()
    if analysis is None:
        newest = Analysis.objects.filter(database=database).order_by("-pk")[:5]
        known = ", ".join(str(each.pk) for each in newest) or "none yet"
        raise NoBaseline(f"There is no analysis {pk} of {database!r}; the newest are: {known}.")
    found = of_analysis(analysis)
    if found is None:
        raise NoBaseline(
            f"Analysis {pk} has no snapshot (any more): the newest {conf().KEEP_ANALYSES} keep "
            "theirs (KEEP_ANALYSES in settings.PERFOPS). Say --since 24h instead."
        )
    return found
