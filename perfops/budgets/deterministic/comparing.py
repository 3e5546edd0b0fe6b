"""Comparing the counts of requests with those of the committed file."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from perfops.budgets.deterministic.counts import Counts
from perfops.formatting import count_text

# Of a count that grew though no statement is sent more often.
SAME = "The same statements are sent."
# Shares by which a count may grow: a longer word is no fault.
_SLACK = {"bytes": 0.1, "blocks": 0.1, "steps": 0.02}
# As reports name them.
NAMES = {"again": "statements of a second request", "steps": "Python instructions"}
FIELDS = {name: what for what, name in NAMES.items()}
# A page that was split, one version of a row more; a buffer that was filled.
_FEW = {"blocks": 5, "steps": 500}


class Verdict(NamedTuple):
    """What became of one count, ``outcome``: as in ``Evaluation``, and the ``most`` it may be."""

    route: str
    what: str
    outcome: Literal["met", "violated", "unknown"]
    before: int
    most: int
    now: int | None
    reason: str = ""


def compare(baseline: Mapping[str, Counts], now: Mapping[str, Counts]) -> list[Verdict]:
    """Return what became of each count of each route of the baseline, in its order.

    More statements or rows than before, a tenth more blocks or bytes, or a fiftieth more
    instructions of Python are a violation. A
    route over other rows, without an answer as before, or gone, can't be grown.
    """
    pairs = ((route, before, now.get(route)) for route, before in baseline.items())
    return [verdict for pair in pairs for verdict in _of_counts(*pair)]


def _of_counts(route: str, before: Counts, now: Counts | None) -> Iterator[Verdict]:
    reason = _incomparable(before, now)
    if now is None or reason:
        count = before.statements
        yield Verdict(route, "statements", "unknown", count, count, None, reason)
        return
    for what in ("statements", "again", "rows", "blocks", "bytes", "steps"):
        old, new = getattr(before, what), getattr(now, what)
        if old is None or new is None:
            continue
        most = most_of(what, old)
        if new > most:
            yield Verdict(
                route, NAMES.get(what, what), "violated", old, most, new, _grown(before, now)
            )
        else:
            is_exact = what not in _SLACK
            fewer = "Fewer than in the file: --update keeps it so." if new < old else ""
            yield Verdict(
                route, NAMES.get(what, what), "met", old, most, new, fewer if is_exact else ""
            )


def most_of(what: str, before: int) -> int:
    """Return what a count may be that was ``before`` in the file."""
    return int(before * (1 + _SLACK.get(what, 0))) + _FEW.get(what, 0)


def _incomparable(before: Counts, now: Counts | None) -> str:
    """Return why the two can't be compared, or ""."""
    if now is None:
        return "It is in the file and was not asked for: --update leaves it out."
    if now.status != before.status:
        return f"It answered {before.status}, and answers {now.status} now."
    changed = [
        f"{name} {before.tables.get(name, 0):,} -> {rows:,}"
        for name, rows in now.tables.items()
        if name in before.tables and before.tables[name] != rows
    ]
    if changed:
        return f"The rows are others than in the baseline ({', '.join(changed)}): load the same."
    if now.paths != before.paths:
        return f"It was asked for by other paths: {now.paths[0]} instead of {before.paths[0]}."
    return ""


def _grown(before: Counts, now: Counts) -> str:
    """Return which statements are sent more often, most first, with the lines that send them."""
    known = {each.text: each.calls for each in before.sent}
    more = sorted(
        ((each.calls - known.get(each.text, 0), each) for each in now.sent),
        key=lambda pair: -pair[0],
    )
    grown = [
        f"{count_text(times, 'call')} more of {each.text} at {each.line or 'no known line'}"
        for times, each in more
        if times > 0
    ]
    return "; ".join(grown[:3]) or SAME
