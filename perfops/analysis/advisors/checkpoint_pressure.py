"""Checkpoints that come because WAL is full, not because it is time."""

from math import ceil

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.advisors.setting_changes import UNITS, Change, change, size_of
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Checkpoints
from perfops.analysis.collectors.states import Setting
from perfops.conf import Conf
from perfops.formatting import megabytes

ID = "checkpoint_pressure"
TITLE = "Checkpoint pressure"
NEEDS = ("pg_stat_checkpointer",)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    found = window.checkpoints
    if found is None or found.requested < limits.CHECKPOINTS_MIN or found.requested <= found.timed:
        return []
    return [_advice(window, found)]


def _advice(window: Window, found: Checkpoints) -> DetectedIssue:
    number = found.timed + found.requested
    evidence: dict[str, float | int | str] = {
        "requested": found.requested,
        "timed": found.timed,
        "seconds between two": round(window.seconds_of("pg_stat_checkpointer") / number, 1),
        "MB written each": megabytes(found.buffers * window.after.server.block_bytes / number),
        "buffers written by sessions": found.by_sessions,
    }
    for name in ("max_wal_size", "checkpoint_timeout"):
        setting = window.after.setting(name)
        if setting is not None:
            evidence[name] = f"{setting.value} {setting.unit}"
    if window.wal is not None and window.wal.bytes:
        evidence["full pages in WAL"] = window.wal.full_pages
    found_setting = window.after.setting("max_wal_size")
    needed = (
        change(found_setting, _needed(window, found_setting), window.after.server)
        if found_setting
        else Change("", "")
    )
    return DetectedIssue(
        advisor=ID,
        object="checkpoints",
        severity="warning",
        title=f"{found.requested} of {number} checkpoints came before their time",
        evidence=evidence,
        why=(
            "After each checkpoint the first change of a page writes the whole page to WAL: more "
            "checkpoints make more WAL, which makes more checkpoints; and each is a burst of "
            "writing that others feel."
        ),
        remedy=(
            "Raise max_wal_size until checkpoints come by time (it costs disk, and time after a "
            "crash). Backups, CREATE DATABASE and CHECKPOINT ask for one too: those do no harm. "
            + needed.how
        ).strip(),
        statement=needed.statement,
    )


def _needed(window: Window, maximum: Setting) -> float:
    """Return a max_wal_size (in its unit) that lets checkpoints come by time.

    PostgreSQL asks for one after max_wal_size / (1 + checkpoint_completion_target) bytes of WAL
    (CalculateCheckpointSegments in xlog.c); never less than twice what there is.
    """
    needed = 2 * size_of(maximum)
    timeout = window.after.setting("checkpoint_timeout")
    seconds = window.seconds_of("pg_stat_wal")
    if window.wal is not None and timeout is not None and seconds > 0:
        target = window.after.setting("checkpoint_completion_target")
        factor = 1 + (target.number if target else 0.9)
        needed = max(needed, window.wal.bytes / seconds * timeout.number * factor)
    gigabytes = needed / UNITS["GB"]
    whole = ceil(gigabytes) if gigabytes > 1 else gigabytes
    return whole * UNITS["GB"] // UNITS.get(maximum.unit, 1)
