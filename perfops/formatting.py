"""Names, statements, sizes and durations as reports and pages write them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from django.utils import timezone
from psycopg import sql

_TITLE_CHARACTERS = 90
_OBJECT_CHARACTERS = 300
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


# All but tab and line feed that steers a terminal, is no text in XML, or turns text round.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def visible(text: str) -> str:
    """Return ``text`` with control characters escaped: the name of a table may hold any."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def first_line(error: BaseException) -> str:
    """Return what ``error`` says, without PostgreSQL's DETAIL and CONTEXT: they may quote rows."""
    return str(error).partition("\n")[0]


class HasText(Protocol):
    """A statement of pg_stat_statements."""

    @property
    def text(self) -> str: ...

    @property
    def queryid(self) -> str: ...


# What stands between SELECT and the first FROM, and what a statement ends with: its condition.
_COLUMNS = re.compile(r"^(SELECT(?: DISTINCT)?) .*? (FROM .*)$", re.IGNORECASE)
_CONDITION = re.compile(r"^(.*?) (WHERE .*)$", re.IGNORECASE)


def name_of(statement: HasText) -> str:
    """Return the statement on one line; its number where the text is not known."""
    return cut(statement.text, _OBJECT_CHARACTERS) or f"statement {statement.queryid}"


def short(statement: HasText) -> str:
    """Return ``name_of`` cut to the length of a title."""
    return cut(name_of(statement), _TITLE_CHARACTERS)


def cut(text: str, most: int) -> str:
    """Return a statement on one line of ``most`` characters at most.

    What many have in common goes first, the columns and then the joins: its table and its condition
    tell it apart from others.
    """
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    if found := _COLUMNS.match(line):
        line = f"{found[1]} … {found[2]}"
    if len(line) > most and (found := _CONDITION.match(line)):
        # Half of the place for each.
        head, condition = found[1], found[2]
        half = max(most // 2, most - len(condition) - 3)
        line = f"{head[:half].rstrip()} … {condition}" if len(head) > half else line
    return line if len(line) <= most else f"{line[: most - 1]}…"


def identifier(*names: str) -> str:
    """Return ``names`` as SQL writes them, quoted."""
    return sql.Identifier(*names).as_string(None)


def by_hand(package: str, change: str) -> str:
    """Return how to ``change`` what an installed package declares: its migrations stay its own."""
    return (
        f"The table is declared by the installed package {package}: {change} by RunSQL in a "
        "migration of your own (atomic = False)."
    )


def literal(text: str) -> str:
    return sql.Literal(text).as_string(None)


def megabytes(size: float) -> float:
    return round(size / 1024**2, 1)


def size_text(size: float) -> str:
    """Return bytes in the unit a person would take."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024:
            return count_text(round(size), "byte") if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TB"


def time_text(seconds: float) -> str:
    """Return seconds in the unit a person would take."""
    for length, unit in ((_DAY_S, "days"), (_HOUR_S, "hours"), (_MINUTE_S, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return count_text(round(seconds), "second")


def ms_text(ms: float | None) -> str:
    """Return milliseconds as a person reads them: 0.25 ms, 140 ms, 12.5 s, 3.1 h; "-" for None."""
    if ms is None:
        return "-"
    if ms < 1000:
        return f"{ms:,.2f} ms" if ms < 10 else f"{ms:,.1f} ms" if ms < 100 else f"{ms:,.0f} ms"
    seconds = ms / 1000
    if seconds < 600:
        return f"{seconds:,.1f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def percent_text(share: float | None) -> str:
    """Return a share from 0 to 1 as a percentage; "-" for None."""
    return "-" if share is None else f"{share:.2%}"


def share_text(share: float | None) -> str:
    """Return a share of the database's time (0 to 1) as all pages and reports have it: "56.1%"."""
    return "-" if share is None else f"{share:.1%}"


def count_text(number: int, noun: str) -> str:
    """Return "1 session", "2 sessions": for nouns whose plural has an s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def closed(text: str) -> str:
    """Return ``text``, which a person wrote, as a sentence that another one may follow."""
    return text if text.rstrip().endswith((".", "!", "?", "…", ":", ";")) else f"{text.rstrip()}."


# What people call the severities.
_SEVERITIES = {"error": "error", "warning": "warning", "info": "hint"}


def severities_text(counts: Mapping[str, int]) -> str:
    """Return ``{"error": 1, "warning": 2}`` as "1 error, 2 warnings"; "" when there are none."""
    return ", ".join(
        count_text(counts[severity], noun)
        for severity, noun in _SEVERITIES.items()
        if counts.get(severity)
    )


def to_datetime(epoch_s: float) -> datetime:
    """Return Unix time as a moment that compares with those of models and ``timezone.now``."""
    aware = datetime.fromtimestamp(epoch_s, UTC)
    return aware if timezone.is_aware(timezone.now()) else timezone.make_naive(aware)
