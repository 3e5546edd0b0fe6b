"""A list of records that are no rows of ours: sorted, searched and paged by the query string."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import QueryDict

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


def listing[R](
    records: Iterable[R],
    columns: Sequence[Column[R]],
    asked: QueryDict,
    *,
    search: Callable[[R], str],
    first: str,
) -> Listing:
    """Return the part of ``records`` that is asked for: ``q`` searches, ``o`` sorts, ``p`` pages.

    ``first``: the column that sorts when none, or none there is, was asked for.
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
        heads=[_head(each, column, query, turned=turned) for each in columns],
        rows=[
            [{"text": c.text(record), "is_number": c.is_number} for c in columns]
            for record in page.object_list
        ],
        page=page,
        query=query,
        total=len(found),
        previous_url=_page_url(asked, page.number - 1) if page.has_previous() else "",
        next_url=_page_url(asked, page.number + 1) if page.has_next() else "",
    )


def _head(each: Column[Any], sorting: Column[Any], query: str, *, turned: bool) -> dict[str, Any]:
    is_sorting = each is sorting
    minus = "-" if is_sorting and not turned else ""
    url = QueryDict(mutable=True)
    url.update({"q": query, "o": f"{minus}{each.key}"})
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
