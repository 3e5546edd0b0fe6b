"""Which earlier snapshot an analysis takes its difference to."""

from datetime import timedelta

from perfops.analysis import stored_snapshots as snapshots
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.conf import conf
from perfops.database.timestamps import to_datetime
from perfops.models.analyses import Analysis, StoredSnapshot

# The id of an analysis, or how long ago.
Since = int | timedelta


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
        return snapshots.newest_of_an_analysis(database, before=oldest)
    found = snapshots.at(database, now - since)
    return found if found is not None and found.taken_at < now else None


def _of_analysis(database: str, pk: int) -> StoredSnapshot:
    analysis = Analysis.objects.filter(pk=pk, database=database).first()
    if analysis is None:
        newest = Analysis.objects.filter(database=database).order_by("-pk")[:5]
        known = ", ".join(str(each.pk) for each in newest) or "none yet"
        raise NoBaseline(f"There is no analysis {pk} of {database!r}; the newest are: {known}.")
    found = snapshots.of_analysis(analysis)
    if found is None:
        raise NoBaseline(
            f"Analysis {pk} has no snapshot (any more): the newest {conf().KEEP_ANALYSES} keep "
            "theirs (KEEP_ANALYSES in settings.PERFOPS). Say --since 24h instead."
        )
    return found
