"""What an advisor says."""

import hashlib
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
