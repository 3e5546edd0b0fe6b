"""Tables and databases whose transaction numbers run out."""

from perfops.analysis.advisors.detection import DetectedIssue, SeverityName
from perfops.analysis.collectors.difference import Window
from perfops.conf import Conf
from perfops.formatting import identifier

ID = "wraparound"
TITLE = "Transaction numbers running out"
NEEDS = ("pg_database", "pg_stat_user_tables")

# Numbers are compared within half of 32 bits; 3 million before the end nothing is written any more.
_LIMIT = 2**31 - 3_000_000


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    here = window.after.server.database
    found = []
    for age in window.after.ages:
        oldest = max(age.xids, age.mxids)
        how = "" if age.database == here else f"Connect to {age.database}. "
        found.append(
            _advice(f"database {age.database}", oldest, f"{how}VACUUM all of it.", "", limits)
        )
    for table in window.after.tables:
        name = identifier(table.schema, table.name)
        remedy = "Vacuum it; look for what has kept vacuum from it."
        oldest = max(table.xid_age, table.mxid_age)
        statement = f"VACUUM (FREEZE) {name};"
        found.append(_advice(table.qualified, oldest, remedy, statement, limits))
    return [advice for advice in found if advice is not None]


def _severity(age: int, limits: Conf) -> SeverityName | None:
    if age >= limits.XID_AGE_ERROR:
        return "error"
    return "warning" if age >= limits.XID_AGE_WARNING else None


def _advice(name: str, age: int, remedy: str, statement: str, limits: Conf) -> DetectedIssue | None:
    severity = _severity(age, limits)
    if severity is None:
        return None
    return DetectedIssue(
        advisor=ID,
        object=name,
        severity=severity,
        title=f"{name} is {age:,} transactions old: {age / _LIMIT:.0%} of what there are",
        evidence={"age in transactions": age, "left": _LIMIT - age, "at": f"{age / _LIMIT:.0%}"},
        why=(
            "At the end the server takes no more writes until it has been vacuumed, which takes "
            "hours on large tables. Autovacuum should have been here long ago (200 million)."
        ),
        remedy=(
            f"{remedy} Old transactions, replication slots and prepared transactions "
            "must end first: they hold it back."
        ),
        statement=statement,
    )
