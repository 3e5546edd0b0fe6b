"""A statement that a line sends again and again within one request: once per row of another."""

import re

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.origins import Origin
from perfops.conf import Conf

ID = "n_plus_one"
TITLE = "N+1 queries"
# Our own tables, not the server's statistics.
NEEDS = ("query origins",)

_TEXT_CHARACTERS = 90
_WHY = "Each costs a way to the database and back."
_WHY_GROWS = " Some took far more of them than others: it grows with the data."
# The request that sent it most did so this much more often than the mean: it follows the data.
_GROWS = 1.5
# The same question about two rows, or about three.
_LIST = re.compile(r"\(%s(?:, ?%s)+\)")
# Not that of EXTRACT(YEAR FROM "t"."c").
_FROM = re.compile(r'\bFROM "?(\w+)"?(?=[ ,;]|$)', re.IGNORECASE)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    found: dict[str, DetectedIssue] = {}
    # Costliest first; statements that differ in the length of a list only are one problem.
    for each in window.origins:
        if _is_ill(each, limits):
            advice = _advice(each, limits)
            found.setdefault(advice.subject, advice)
    return list(found.values())


def _is_ill(origin: Origin, limits: Conf) -> bool:
    return (
        origin.kind in {"request", "task"}
        and origin.site != ""
        and origin.executions > 0
        and origin.text.lstrip().upper().startswith("SELECT")
        and origin.calls / origin.executions >= limits.N_PLUS_ONE_CALLS
    )


def _advice(origin: Origin, limits: Conf) -> DetectedIssue:
    each = origin.calls / origin.executions
    grows = origin.max_calls_per_execution >= _GROWS * each
    text = " ".join(origin.text.split())
    place = f"{origin.site} for {origin.name}"[:300]
    table = _FROM.search(text)
    what = f"one statement on {table[1]}" if table else "one statement"
    return DetectedIssue(
        advisor=ID,
        object=place,
        # Its text: queryids change with the server's version, and when a table is made anew.
        subject=f"{place}\0{_LIST.sub('(%s)', text)}",
        queryids=origin.queryids,
        severity="error" if each >= limits.N_PLUS_ONE_ERROR_CALLS else "warning",
        title=(
            f"{origin.name} sends {what} {each:,.1f} times per {origin.kind}, from {origin.site}"
        ),
        evidence={
            "statement": text[:_TEXT_CHARACTERS],
            "line": f"{origin.site} in {origin.function}",
            f"{origin.kind}s": origin.executions,
            "calls": origin.calls,
            f"calls per {origin.kind}": round(each, 1),
            f"most in one {origin.kind}": origin.max_calls_per_execution,
            "rows per call": round(origin.rows / origin.calls, 1),
            f"ms per {origin.kind}": round(origin.total_ms / origin.executions, 2),
        },
        why=_WHY + (_WHY_GROWS if grows else ""),
        remedy=(
            "Read all rows at once before the loop: select_related for a foreign key, "
            "prefetch_related for what points back, or one query with __in."
        ),
    )
