"""Lists of tables, indexes and sessions: sorted, searched and paged by the query string."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import QueryDict

from perfops.analysis.collectors.records import Index, Table, share
from perfops.analysis.collectors.states import Session
from perfops.formatting import size_text, time_text

_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Column[R]:
    """``value`` sorts, ``text`` is shown. Numbers begin with the largest."""

    key: str
    label: str
    value: Callable[[R], Any]
    text: Callable[[R], str]
    is_number: bool = True


@dataclass(frozen=True, slots=True)
class Listing:
    """What ``perfops/_listing.html`` shows."""

    heads: list[dict[str, Any]]
    rows: list[list[dict[str, Any]]]
    page: Page[Any]
    query: str
    total: int
    previous_url: str
    next_url: str
    # What else the address asks for, which a search keeps.
    others: list[tuple[str, str]]


def listing[R](
    records: Iterable[R],
    columns: Sequence[Column[R]],
    asked: QueryDict,
    *,
    search: Callable[[R], str],
    first: str,
    parts: Callable[[R], Sequence[R]] | None = None,
    url: Callable[[R], str] | None = None,
) -> Listing:
    """Return the part of ``records`` that is asked for: ``q`` searches, ``o`` sorts, ``p`` pages.

    ``first``: the column that sorts when none, or none there is, was asked for. ``parts``: what a
    record is the sum of, shown below it when ``open`` names it by its first column. ``url``: the
    page of a record, to which its first column leads.
    """
    query = asked.get("q", "").strip()
    by_key = {column.key: column for column in columns}
    order = asked.get("o", first)
    column = by_key.get(order.removeprefix("-"), by_key[first])
    # A minus turns round what is usual for the column.
    turned = order.startswith("-")
    found = [record for record in records if query.lower() in search(record).lower()]
    found.sort(key=column.value, reverse=column.is_number != turned)
    page = Paginator(found, _PER_PAGE).get_page(asked.get("p"))
    return Listing(
        heads=[_head(each, column, asked, turned=turned) for each in columns],
        rows=[
            [row[0] | {"page": url(record) if url else ""}, *row[1:]]
            for record in page.object_list
            for row in _rows(record, columns, parts(record) if parts else (), asked)
        ],
        page=page,
        query=query,
        total=len(found),
        previous_url=_page_url(asked, page.number - 1) if page.has_previous() else "",
        next_url=_page_url(asked, page.number + 1) if page.has_next() else "",
        others=[(name, str(asked[name])) for name in asked if name not in {"q", "p", "open"}],
    )


def _rows[R](
    record: R, columns: Sequence[Column[R]], parts: Sequence[R], asked: QueryDict
) -> list[list[dict[str, Any]]]:
    """Return the record's row, and those of its parts where they are asked for."""

    def cells(each: R) -> list[dict[str, Any]]:
        return [{"text": c.text(each), "is_number": c.is_number} for c in columns]

    row, name = cells(record), columns[0].text(record)
    if not parts:
        return [row]
    url, is_open = asked.copy(), asked.get("open") == name
    url["open"] = "" if is_open else name
    row[0] |= {"parts": len(parts), "url": f"?{url.urlencode()}", "is_open": is_open}
    below = [cells(part) for part in parts] if is_open else []
    for part in below:
        part[0]["is_part"] = True
    return [row, *below]


def _head(
    each: Column[Any], sorting: Column[Any], asked: QueryDict, *, turned: bool
) -> dict[str, Any]:
    is_sorting = each is sorting
    minus = "-" if is_sorting and not turned else ""
    url = asked.copy()
    url["o"] = f"{minus}{each.key}"
    url.pop("p", None)
    descending = each.is_number != turned
    return {
        "label": each.label,
        "is_number": each.is_number,
        "url": f"?{url.urlencode()}",
        "sort": ("descending" if descending else "ascending") if is_sorting else "",
        "arrow": ("↓" if descending else "↑") if is_sorting else "",
    }


def _page_url(asked: QueryDict, number: int) -> str:
    url = asked.copy()
    url["p"] = str(number)
    return f"?{url.urlencode()}"


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
