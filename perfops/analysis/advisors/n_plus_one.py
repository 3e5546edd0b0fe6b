"""A statement sent again and again within one request, task or command: once per row of another."""

import re

from perfops.analysis.advisors.detection import DetectedIssue, SeverityName
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.origins import Origin
from perfops.conf import Conf
from perfops.formatting import count_text, cut
from perfops.origins.relations import Relation, relation_of

ID = "n_plus_one"
TITLE = "N+1 queries"
# Our own tables, not the server's statistics.
NEEDS = ("query origins",)

_TEXT_CHARACTERS = 160
_WHY = "Each costs a way to the database and back."
_WHY_GROWS = " Some took far more of them than others: it grows with the data."
_WHY_CONSTANT = " Each takes about as many: it does not grow with the data."
# The one that sent it most did so this much more often than the mean: it follows the data.
_GROWS = 1.5
# So few in each, and never more, are a habit and not a row of a list each. A fixed page of a list
# has more.
_FEW = 10
# The same question about two rows, or about three.
_LIST = re.compile(r"\(%s(?:, ?%s)+\)")
# Not that of EXTRACT(YEAR FROM "t"."c").
_TABLE = re.compile(r'\b(?:FROM|INTO|^UPDATE) "?(\w+)"?(?=[ ,;(]|$)', re.IGNORECASE)
_READS, _WRITES = ("SELECT",), ("INSERT", "UPDATE", "DELETE", "MERGE")
_READ_ONCE = (
    "Read all rows at once before the loop: select_related for a foreign key, "
    "prefetch_related for what points back, or one query with __in."
)
# What of a request its middlewares read.
_OF_REQUEST = ("request.session", "request.user")
_ASK_ONCE = (
    "It is asked before the view: find what makes the session or the user be read anew (another "
    "middleware, a cycled session), or keep sessions in the cache (SESSION_ENGINE)."
)
_WRITE_ONCE = (
    "Write all rows at once after the loop: bulk_create or bulk_update, or update() and delete() "
    "on a queryset that names all of them. (They send no signals and call no save().)"
)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    found: dict[str, DetectedIssue] = {}
    # Costliest first; statements that differ in the length of a list only are one problem.
    for each in window.origins:
        issue = detect(each, limits)
        if issue is not None:
            found.setdefault(issue.subject, issue)
    return list(found.values())


def detect(origin: Origin, limits: Conf) -> DetectedIssue | None:
    """Return what is wrong with how often ``origin`` is sent; None where nothing is."""
    return _issue(origin, limits) if _is_ill(origin, limits) else None


def _is_ill(origin: Origin, limits: Conf) -> bool:
    """Many on average, or very many in a few: ten requests among a thousand are a problem."""
    if (
        origin.kind not in {"request", "task", "command"}
        or (origin.kind == "command" and not origin.site)
        or not origin.executions
        or not origin.repeated_executions
        or _waits(origin)
        or not origin.text.lstrip().upper().startswith(_READS + _WRITES)
    ):
        return False
    if origin.kind == "command":
        # It runs alone and may well ask a few times; and Django's own have no line of the project.
        return _each(origin) >= limits.N_PLUS_ONE_ERROR_CALLS
    on_average = origin.repeated_calls / origin.executions
    return on_average >= limits.N_PLUS_ONE_CALLS or _each(origin) >= limits.N_PLUS_ONE_ERROR_CALLS


def _waits(origin: Origin) -> bool:
    """perfops' own commands and tasks ask how a load run does, once a second, until it ends."""
    return origin.kind != "request" and origin.site.startswith("perfops/")


def _each(origin: Origin) -> float:
    """Return how often each of those that repeat it sends it."""
    return origin.repeated_calls / origin.repeated_executions


def _severity(kind: str, each: float, limits: Conf, *, grows: bool) -> SeverityName:
    if kind == "command":
        # Nobody waits for it as for a page.
        return "warning"
    if each >= limits.N_PLUS_ONE_ERROR_CALLS:
        return "error"
    return "info" if each < _FEW and not grows else "warning"


def _issue(origin: Origin, limits: Conf) -> DetectedIssue:
    each = _each(origin)
    grows = origin.max_calls_per_execution >= _GROWS * origin.calls / origin.executions
    text = " ".join(origin.text.split())
    where_from = origin.site or origin.function
    place = f"{where_from} for {origin.name}".removeprefix(" for ")[:300]
    relation = relation_of(origin.relation, text)
    table = _TABLE.search(text)
    what = f"one statement on {table[1]}" if table else "one statement"
    writes = text.upper().startswith(_WRITES)
    executions = count_text(origin.executions, origin.kind)
    share = f"in {origin.repeated_executions:,} of {executions}"
    where = f"per {origin.kind}" if origin.repeated_executions == origin.executions else share
    return DetectedIssue(
        advisor=ID,
        object=place,
        # Its text: queryids change with the server's version, and when a table is made anew.
        subject=f"{place}\0{_LIST.sub('(%s)', text)}",
        queryids=origin.queryids,
        severity=_severity(origin.kind, each, limits, grows=grows),
        title=(
            f"{origin.name} sends {what} {each:,.1f} times {where}"
            + (f", from {where_from}" if where_from else "")
        ),
        evidence={
            "statement": cut(text, _TEXT_CHARACTERS),
            **_line(origin),
            **({"relation": str(relation)} if relation else {}),
            f"{origin.kind}s": origin.executions,
            f"{origin.kind}s that repeat it": origin.repeated_executions,
            "calls": origin.calls,
            f"calls per {origin.kind} that repeats it": round(each, 1),
            f"most in one {origin.kind}": origin.max_calls_per_execution,
            "rows per call": round(origin.rows / origin.calls, 1),
            f"ms per {origin.kind}": round(origin.total_ms / origin.executions, 2),
        },
        why=_WHY + (_WHY_GROWS if grows else _WHY_CONSTANT),
        remedy=_WRITE_ONCE if writes else _read_once(relation, text, origin.function),
        site=origin.site,
    )


def _line(origin: Origin) -> dict[str, float | int | str]:
    if origin.site:
        return {"line": f"{origin.site} in {origin.function}"}
    if origin.function.startswith(_OF_REQUEST):
        return {"asked for": origin.function}
    return {"view": origin.function} if origin.function else {}


def _read_once(relation: Relation | None, text: str, view: str) -> str:
    if view.startswith(_OF_REQUEST):
        return _ASK_ONCE
    return relation.remedy(text, view) if relation else _READ_ONCE
