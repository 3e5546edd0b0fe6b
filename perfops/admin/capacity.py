"""The page of capacity reviews: those that were kept, and one of now."""

from datetime import timedelta
from typing import Any

from django.http import Http404, HttpRequest

from perfops.admin.pages import minute
from perfops.analysis import sessions
from perfops.analysis.capacity import review as reviews
from perfops.analysis.capacity.records import BYTES, RATE, Figure, Review
from perfops.charts import Bound, Chart, Line, chart
from perfops.models.capacity import CapacityReview

_NOW = "now"
# Two years of quarters.
_LISTED = 8
_DRAWN_IN = {BYTES: (1024.0**2, "MB"), RATE: (1.0, RATE)}


def context(request: HttpRequest) -> dict[str, Any]:
    """Return what ``perfops/capacity.html`` shows. Raises ``Http404``.

    ``?database=`` an alias, ``?review=`` a key or "now"; without it the newest, else that of now.
    """
    known = sessions.databases()
    database = request.GET.get("database", known[0])
    if database not in known:
        raise Http404(f"There is no PostgreSQL {database!r} in DATABASES.")
    kept = list(CapacityReview.objects.filter(database=database).order_by("-created_at")[:_LISTED])
    asked = request.GET.get("review", str(kept[0].pk) if kept else _NOW)
    if asked == _NOW:
        shown = reviews.build(database)
    else:
        found = next((each for each in kept if str(each.pk) == asked), None)
        if found is None:
            raise Http404("There is no such capacity review.")
        shown = reviews.read(found)
    return {
        "database": database,
        "databases": known,
        "review": shown,
        "at": minute(shown.at),
        "is_now": asked == _NOW,
        "kept": [
            (f"{each.created_at:%Y-%m-%d}", str(each.pk), str(each.pk) == asked) for each in kept
        ],
        "figures": [_row(each, shown) for each in shown.figures],
        "tables": [_row(each, shown) for each in shown.tables],
        "charts": [made for each in shown.figures if (made := drawn(each, shown)) is not None],
    }


def _row(figure: Figure, review: Review) -> dict[str, str]:
    return {
        "name": figure.name,
        "now": figure.text(figure.now),
        "growth": figure.growth_text,
        "limit": figure.limit_text,
        "full": figure.full_text(review.at),
    }


def drawn(figure: Figure, review: Review) -> Chart | None:
    """Return the readings over the days, with the limit; None for fewer than two."""
    if len(figure.points) < 2:
        return None
    factor, unit = _DRAWN_IN.get(figure.unit, (1.0, ""))
    limit = figure.limit
    bounds = [] if limit is None else [Bound("limit", "po-threshold", limit / factor)]
    return chart(
        f"{figure.name}, in {unit}" if unit else figure.name,
        xs=[day for day, _ in figure.points],
        x_text=lambda day: f"{review.at + timedelta(days=day):%Y-%m-%d}",
        y_text=lambda value: figure.text(value * factor),
        lines=[Line(figure.name, "po-line-1", [value / factor for _, value in figure.points])],
        bounds=bounds,
        x_label="day",
        from_zero=False,
    )
