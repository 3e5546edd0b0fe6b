"""Sequences and integer keys that come to their end."""

from perfops.analysis.advisors.detection import DetectedIssue, SeverityName
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.states import Numbering
from perfops.conf import Conf
from perfops.formatting import identifier

ID = "integer_overflow"
TITLE = "Numbers running out"
NEEDS = ("sequences",)

_BIGINT = 2**63 - 1


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    before = window.before.numberings if window.before else ()
    earlier = {each.qualified: each.last for each in before}
    found = []
    for each in window.after.numberings:
        severity = _severity(each.last / each.limit, limits)
        if severity is not None:
            grown = each.last - earlier.get(each.qualified, each.last)
            found.append(_advice(each, severity, grown, window.seconds))
    return found


def _severity(share: float, limits: Conf) -> SeverityName | None:
    if share >= limits.OVERFLOW_ERROR:
        return "error"
    return "warning" if share >= limits.OVERFLOW_WARNING else None


def _advice(each: Numbering, severity: SeverityName, grown: int, seconds: float) -> DetectedIssue:
    evidence: dict[str, float | int | str] = {
        "last value": each.last,
        "limit": each.limit,
        "used": f"{each.last / each.limit:.1%}",
        "type": each.type,
    }
    if each.sequence:
        evidence["sequence"] = each.sequence
    if grown > 0 and seconds > 0:
        evidence["days left at this pace"] = round(
            (each.limit - each.last) / (grown / seconds) / 86_400, 1
        )
    return DetectedIssue(
        advisor=ID,
        object=each.qualified,
        severity=severity,
        title=f"{each.qualified} has used {each.last / each.limit:.0%} of its numbers",
        evidence=evidence,
        why="When the numbers are used up every insert fails.",
        remedy=_remedy(each),
        statement=_statement(each),
    )


def _remedy(each: Numbering) -> str:
    if each.limit >= _BIGINT:
        return (
            "No integer type is longer. Find what jumps ahead (an import, setval, a large "
            "INCREMENT) and restart the sequence behind the greatest value that is in use."
        )
    if each.type == "bigint":
        return "The column holds more than its sequence gives: let the sequence go on."
    longer = (
        "Make it a bigint (BigAutoField), its sequence too, and every foreign key to it. On a "
        "large table the change rewrites it under an exclusive lock: add a new column, fill it "
        "in batches, then swap."
    )
    if each.blocked_by:
        return (
            f"{longer} No statement is given: PostgreSQL changes the type of no column that is "
            f"used by {each.blocked_by}. Drop that first and make it again, or build a new table."
        )
    return longer


def _statement(each: Numbering) -> str:
    if each.limit >= _BIGINT or (each.type != "bigint" and each.blocked_by):
        return ""
    parts = []
    if each.type != "bigint":
        table, column = identifier(each.schema, each.table), identifier(each.column)
        parts.append(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE bigint;")
    if each.sequence:
        # That of a serial column keeps its type and its end when the column's changes; those
        # stored by the version before have no schema of their own.
        schema = each.sequence_schema or each.schema
        name = each.sequence.removeprefix(f"{schema}.")
        parts.append(f"ALTER SEQUENCE {identifier(schema, name)} AS bigint NO MAXVALUE;")
    return " ".join(parts)
