"""What an advisor says."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Literal, Protocol

from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Statement
from perfops.conf import Conf
from perfops.formatting import name_of, short

SeverityName = Literal["error", "warning", "info"]
ORDER: tuple[SeverityName, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class IndexSubject:
    """The index that an issue is about; ``definition`` as the server writes it."""

    schema: str
    table: str
    name: str
    definition: str = ""


@dataclass(frozen=True, slots=True)
class DetectedIssue:
    """One problem of one object. ``evidence``: label to number or text, in reading order.

    ``subject`` tells the object apart where its name can't: by its statement's queryid or text.
    ``queryids``: the statements it concerns, as pg_stat_statements numbers them; no part of the
    fingerprint. ``index``: the index it is about, where it is about one. ``site``: the line of the
    project (file:line) to look at, where one is known.
    """

    advisor: str
    object: str
    severity: SeverityName
    title: str
    why: str
    remedy: str
    statement: str = ""
    evidence: dict[str, float | int | str] = field(default_factory=dict)
    subject: str = ""
    queryids: tuple[str, ...] = ()
    index: IndexSubject | None = None
    site: str = ""

    @property
    def fingerprint(self) -> str:
        """Stays the same from analysis to analysis: it knows the problem and the object only."""
        return hashlib.sha256(f"{self.advisor}\0{self.subject or self.object}".encode()).hexdigest()


def about_statement(
    advisor: str,
    statement: Statement,
    *,
    severity: SeverityName,
    what: str,
    evidence: dict[str, float | int | str],
    why: str,
    remedy: str,
) -> DetectedIssue:
    """Return the issue of a row of pg_stat_statements; its title is the statement and ``what``."""
    return DetectedIssue(
        advisor=advisor,
        object=name_of(statement),
        subject=statement.queryid,
        queryids=(statement.queryid,),
        severity=severity,
        title=f"{short(statement)} {what}",
        evidence=evidence,
        why=why,
        remedy=remedy,
    )


# What EXPLAIN refuses, by its first word, and what tells more about it. MOVE runs its cursor too.
_CURSOR = (
    "It reads from a cursor, and EXPLAIN takes the statement that its DECLARE names: its time is "
    "spent here. More rows in each FETCH are fewer round trips (iterator(chunk_size=...) in "
    "Django, OPTIONS (ADD fetch_size '1000') of postgres_fdw, whose cursors are c1, c2, ...)."
)
_WITHIN = (
    "EXPLAIN does not look into it. pg_stat_statements.track = 'all' counts each statement in it "
    "for itself, auto_explain.log_nested_statements writes their plans to the log."
)
_TRANSACTION = (
    "It has no plan. Each atomic() sends two: one around a loop instead of one in each round. A "
    "slow COMMIT waits for the WAL's disk, or for a standby (synchronous_commit)."
)
_WITHOUT_PLAN = {
    "FETCH": _CURSOR, "MOVE": _CURSOR, "CLOSE": _CURSOR,
    "DECLARE": "EXPLAIN takes the statement that it names after FOR; its time is in its FETCHes.",
    "CALL": _WITHIN, "DO": _WITHIN,
    "COPY": (
        "EXPLAIN takes no COPY. Of COPY (query) TO it takes the query; COPY FROM spends its time "
        "on the table's indexes, constraints and triggers."
    ),
    "PREPARE": "EXPLAIN takes EXECUTE with values: EXPLAIN (ANALYZE, BUFFERS) EXECUTE name(...).",
    "REFRESH": "EXPLAIN takes the query of the materialised view (pg_get_viewdef), not REFRESH.",
    **dict.fromkeys(("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"),
        _TRANSACTION),
    **dict.fromkeys(
        ("ALTER", "ANALYZE", "CLUSTER", "COMMENT", "DROP", "GRANT", "LOCK", "REINDEX", "REVOKE",
        "TRUNCATE", "VACUUM"),
        "It has no plan. It may wait for locks (log_lock_waits), and works through whole tables: "
        "see pg_stat_progress_vacuum and its like while it runs.",
    ),
    **dict.fromkeys(
        ("DEALLOCATE", "DISCARD", "LISTEN", "NOTIFY", "RESET", "SET", "SHOW", "UNLISTEN"),
        "It has no plan. Settings that each connection or transaction makes anew can be the "
        "role's: ALTER ROLE ... SET.",
    ),
}  # fmt: skip
_FLAGS = re.IGNORECASE | re.DOTALL
_COMMENTS = re.compile(r"\A(?:\s+|--[^\n]*|/\*.*?\*/)+", re.DOTALL)
# CREATE TABLE AS and CREATE MATERIALIZED VIEW AS have a plan.
_CREATES = re.compile(r"CREATE\b(?!.*\bAS\b\s*\(?\s*(?:SELECT|WITH|VALUES|TABLE)\b)", _FLAGS)
_CREATED = "It has no plan. An index is built quicker with more maintenance_work_mem."


def utility_remedy(text: str) -> str:
    """Return what to do about a statement that EXPLAIN refuses; "" for one that has a plan."""
    text = _COMMENTS.sub("", text)
    word = text.partition(" ")[0].rstrip(";").upper()
    return _WITHOUT_PLAN.get(word, _CREATED if _CREATES.match(text) else "")


class Advisor(Protocol):
    """A module with these names is an advisor; see ``docs/development/add-an-advisor.md``.

    ``NEEDS``: the sources it reads. Where one of them is missing, that it found nothing does
    not mean that nothing is there.
    """

    ID: str
    TITLE: str
    NEEDS: tuple[str, ...]

    def run(self, window: Window, limits: Conf) -> list[DetectedIssue]: ...


def wrong(module: object) -> str:
    """Return why ``module`` is no advisor, or "" when it is one."""
    lacking = [name for name in ("ID", "TITLE", "NEEDS", "run") if not hasattr(module, name)]
    if lacking:
        return f"an advisor has ID, TITLE, NEEDS and run; it lacks {', '.join(lacking)}"
    return "" if callable(getattr(module, "run", None)) else "its run can't be called"
