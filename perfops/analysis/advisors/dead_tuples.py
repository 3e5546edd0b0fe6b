"""Tables that vacuum does not keep up with."""

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Table
from perfops.conf import Conf
from perfops.formatting import identifier, time_text

ID = "dead_tuples"
TITLE = "Dead rows and late vacuum"
NEEDS = ("pg_stat_user_tables",)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    return [
        _advice(table, window.after.taken_at)
        for table in window.tables
        if table.dead >= limits.DEAD_MIN_ROWS and _is_late(table, limits)
    ]


def _share(table: Table) -> float:
    return table.dead / (table.dead + table.live)


def _is_late(table: Table, limits: Conf) -> bool:
    # A large table with a tight setting of its own is late long before a fifth is dead.
    due = table.dead >= limits.DEAD_TIMES_DUE * max(1, table.vacuum_due)
    return _share(table) >= limits.DEAD_SHARE and (due or not table.vacuums_itself)


def _advice(table: Table, now: float) -> DetectedIssue:
    name = identifier(table.schema, table.name)
    vacuumed = table.vacuumed_at
    since = "never" if vacuumed is None else f"{time_text(max(0.0, now - vacuumed))} ago"
    off = "" if table.vacuums_itself else " and autovacuum is turned off for it"
    return DetectedIssue(
        advisor=ID,
        object=table.qualified,
        severity="warning",
        title=f"{_share(table):.0%} of the rows of {table.qualified} are dead{off}",
        evidence={
            "dead rows": table.dead,
            "live rows": table.live,
            "vacuum is due at": table.vacuum_due,
            "last vacuum": since,
            "autovacuum": "on" if table.vacuums_itself else "off for this table",
        },
        why=(
            "Every scan steps over dead rows, index entries point at them, and the table grows "
            "instead of using their room."
        ),
        remedy=(
            "Vacuum it now. If it comes back: a transaction, a replication slot or a prepared "
            "transaction holds old rows; or autovacuum is off, or too slow for this table "
            "(lower its autovacuum_vacuum_scale_factor)."
        ),
        statement=(
            f"VACUUM (ANALYZE) {name};"
            if table.vacuums_itself
            else f"ALTER TABLE {name} RESET (autovacuum_enabled); VACUUM (ANALYZE) {name};"
        ),
    )
