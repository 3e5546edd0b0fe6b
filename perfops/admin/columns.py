"""What the pages of tables, indexes and sessions show of each."""

from collections.abc import Callable
from typing import Any

from perfops.admin.listing import Column
from perfops.analysis.collectors.records import Index, Table, share
from perfops.analysis.collectors.states import Session
from perfops.formatting import size_text, time_text


def _number(key: str, label: str, value: Callable[[Any], float]) -> Column[Any]:
    return Column(key, label, value, lambda record: f"{value(record):,.0f}")


def _size(key: str, label: str, value: Callable[[Any], float]) -> Column[Any]:
    return Column(key, label, value, lambda record: size_text(value(record)))


def _share(key: str, label: str, value: Callable[[Any], float | None]) -> Column[Any]:
    def text(record: Any) -> str:
        found = value(record)
        return "-" if found is None else f"{found:.1%}"

    return Column(key, label, lambda r: -1.0 if value(r) is None else value(r), text)


def _word(key: str, label: str, value: Callable[[Any], str]) -> Column[Any]:
    return Column(key, label, value, value, is_number=False)


def _ago(key: str, label: str, value: Callable[[Any], float | None], now: float) -> Column[Any]:
    def text(record: Any) -> str:
        when = value(record)
        return "never" if when is None else f"{time_text(max(0.0, now - when))} ago"

    return Column(key, label, lambda r: value(r) or 0.0, text)


def of_tables(now: float) -> list[Column[Table]]:
    """Return the columns of the tables; ``now``: when they were looked at (Unix time)."""
    return [
        _word("table", "Table", lambda t: t.qualified),
        _size("size", "Size", lambda t: t.bytes),
        _number("rows", "Rows", lambda t: t.rows or t.live),
        _number("dead", "Dead rows", lambda t: t.dead),
        _number("seq", "Sequential scans", lambda t: t.sequential_scans),
        _number("idx", "Index scans", lambda t: t.index_scans),
        _number("writes", "Writes", lambda t: t.inserted + t.updated + t.deleted),
        _share("hot", "HOT updates", lambda t: t.hot_updated / t.updated if t.updated else None),
        _share("hit", "From memory", lambda t: share(t.blocks_hit, t.blocks_read)),
        _ago("vacuum", "Vacuumed", lambda t: t.vacuumed_at, now),
        _ago("analyze", "Analysed", lambda t: t.analyzed_at, now),
    ]


def of_indexes() -> list[Column[Index]]:
    return [
        _word("index", "Index", lambda i: i.qualified),
        _word("table", "Table", lambda i: i.table),
        _size("size", "Size", lambda i: i.bytes),
        _number("scans", "Scans", lambda i: i.scans),
        _share("hit", "From memory", lambda i: share(i.blocks_hit, i.blocks_read)),
        _word("duty", "What for", _duty),
        _word("definition", "Definition", lambda i: i.definition),
    ]


def _duty(index: Index) -> str:
    if not index.is_valid:
        return "invalid"
    if index.is_primary:
        return "primary key"
    if index.is_unique:
        return "unique"
    return "constraint" if index.has_duty else "reads"


def of_sessions() -> list[Column[Session]]:
    def seconds(value: float | None) -> float:
        return -1.0 if value is None else value

    def duration(key: str, label: str, value: Callable[[Session], float | None]) -> Column[Session]:
        def text(session: Session) -> str:
            found = value(session)
            return "-" if found is None else time_text(found)

        return Column(key, label, lambda s: seconds(value(s)), text)

    return [
        Column("pid", "Pid", lambda s: s.pid, lambda s: str(s.pid)),
        _word("user", "User", lambda s: s.user),
        _word("application", "Application", lambda s: s.application),
        _word("database", "Database", lambda s: s.database),
        _word("state", "State", lambda s: s.state),
        duration("transaction", "Transaction", lambda s: s.transaction_s),
        duration("query", "Statement for", lambda s: s.query_s),
        _word("waits", "Waits for", lambda s: s.waits_for),
        _word("statement", "Statement", lambda s: " ".join(s.text.split())[:200]),
    ]
