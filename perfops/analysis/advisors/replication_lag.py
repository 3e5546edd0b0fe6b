"""Replicas that are behind, and slots that keep WAL for nobody."""

from perfops.analysis.advisors.detection import DetectedIssue, SeverityName
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.states import CUT_OFF, Replica, Slot
from perfops.conf import Conf
from perfops.formatting import literal, size_text, time_text

ID = "replication_lag"
TITLE = "Replication lag and slots"
NEEDS = ("pg_stat_replication", "pg_replication_slots")

_LOST = {"unreserved", "lost"}


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    found = [_replica(replica, limits) for replica in window.after.replicas]
    found += [_slot(slot, limits) for slot in window.after.slots]
    return [advice for advice in found if advice is not None]


def _severity(replica: Replica, limits: Conf) -> SeverityName | None:
    lag_s = replica.lag_s or 0.0
    if _is_cut_off(replica, limits) or lag_s >= limits.REPLICATION_LAG_ERROR_S:
        return "error"
    behind = replica.lag_bytes >= limits.REPLICATION_LAG_BYTES
    return "warning" if behind or lag_s >= limits.REPLICATION_LAG_S else None


def _is_cut_off(replica: Replica, limits: Conf) -> bool:
    """Silence is no health: a primary that has nothing to tell still says that it is there."""
    silent_s = replica.silent_s or 0.0
    return replica.state == CUT_OFF or silent_s >= limits.REPLICATION_LAG_ERROR_S


def _replica(replica: Replica, limits: Conf) -> DetectedIssue | None:
    severity = _severity(replica, limits)
    if severity is None:
        return None
    name = f"replica {replica.name}" if replica.name else "this replica"
    lag = "unknown" if replica.lag_s is None else time_text(replica.lag_s)
    if _is_cut_off(replica, limits):
        return _cut_off(name, replica, lag)
    return DetectedIssue(
        advisor=ID,
        object=name,
        severity=severity,
        title=f"{name} is {size_text(replica.lag_bytes)} of WAL behind ({lag})",
        evidence={"behind": size_text(replica.lag_bytes), "time": lag, "state": replica.state},
        why="Who reads there sees the past, and what it lacks is lost if the primary dies now.",
        remedy=(
            "Look for a long query there that holds replay up (max_standby_streaming_delay), a "
            "slow disk or network, or a bulk load on the primary that will pass."
        ),
    )


def _cut_off(name: str, replica: Replica, lag: str) -> DetectedIssue:
    silent = "no connection" if replica.silent_s is None else time_text(replica.silent_s)
    return DetectedIssue(
        advisor=ID,
        object=name,
        severity="error",
        title=f"{name} receives nothing from its primary",
        evidence={
            "state": replica.state,
            "nothing heard for": silent,
            "last transaction replayed": lag if lag == "unknown" else f"{lag} ago",
        },
        why=(
            "It does not know how far behind it is. Who reads there sees an ever older past, and "
            "what it lacks is lost if the primary dies now."
        ),
        remedy=(
            "See the server's log for why it can't connect: primary_conninfo (host, port, "
            "password), pg_hba.conf and max_wal_senders of the primary, the network. If the "
            "primary no longer has the WAL that it needs, make it anew (pg_basebackup)."
        ),
    )


def _slot(slot: Slot, limits: Conf) -> DetectedIssue | None:
    lost = slot.wal_status in _LOST
    if not lost and (slot.active or slot.kept_bytes < limits.SLOT_KEPT_BYTES):
        return None
    kept = size_text(slot.kept_bytes)
    return DetectedIssue(
        advisor=ID,
        object=f"slot {slot.name}",
        severity="error",
        title=(
            f"Slot {slot.name} has lost the WAL it needs"
            if lost
            else f"Nobody reads slot {slot.name}, and {kept} of WAL are kept for it"
        ),
        evidence={
            "kind": slot.kind,
            "active": "yes" if slot.active else "no",
            "kept": kept,
            "WAL": slot.wal_status,
            "holds back vacuum by transactions": slot.xmin_age,
        },
        why="WAL is kept until the disk is full, and then the server stops.",
        remedy=(
            "Start its reader again; if there is none any more, drop it. "
            "max_slot_wal_keep_size sets a bound."
        ),
        statement=f"SELECT pg_drop_replication_slot({literal(slot.name)});",
    )
