"""Violations that are accepted until a day: which ones, why, and what a report says of them."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from perfops.formatting import closed
from perfops.models.budgets import Budget
from perfops.models.decisions import Waiver

# What has no row among the budgets: counts of requests, and two builds in turn.
COUNTS = (
    "statements", "statements of a second request", "rows", "blocks", "bytes",
    "Python instructions",
)  # fmt: skip
TIMES = ("p50", "p95", "p99", "CPU")
FIGURES = (*COUNTS, *TIMES)
LONGEST = timedelta(days=366)


class NotWaivable(ValueError):
    """No report has that name, or the waiver would end too early or too late."""


def figure_and_route(name: str) -> tuple[str, str]:
    """Return the figure of ``FIGURES`` and the route that ``name`` is of; both "" for a budget."""
    for figure in sorted(FIGURES, key=len, reverse=True):
        if name.startswith(f"{figure} of "):
            return figure, name.removeprefix(f"{figure} of ").strip()
    return "", ""


def checked_name(name: str) -> str:
    """Return ``name`` when a report may have it. Raises ``NotWaivable``, with the names."""
    budgets = sorted(str(each) for each in Budget.objects.filter(enabled=True))
    _, route = figure_and_route(name)
    if name in budgets or route:
        return name
    raise NotWaivable(
        f"No report names {name!r}. Budgets: {', '.join(budgets)}. Of two builds and "
        f"of counts: {', '.join(FIGURES)} of a route, such as: p95 of /api/orders."
    )


def checked_end(ends_at: datetime) -> datetime:
    """Return ``ends_at`` when a new waiver may end then. Raises ``NotWaivable``."""
    now = timezone.now()
    if ends_at <= now:
        raise NotWaivable("It must end in the future.")
    if ends_at > now + LONGEST:
        raise NotWaivable(
            f"It must end within {LONGEST.days} days: what is accepted for longer is another "
            "threshold."
        )
    return ends_at


def end_now(waiver_id: int) -> bool:
    """End a waiver that still counts; False for one that has ended."""
    now = timezone.now()
    return bool(Waiver.objects.filter(pk=waiver_id, ends_at__gt=now).update(ends_at=now))


@dataclass(frozen=True, slots=True)
class Waivers:
    """Every waiver, by the name that reports give to what it is for."""

    by_name: dict[str, list[Waiver]] = field(default_factory=dict)

    def of(self, name: str, at: datetime) -> Waiver | None:
        """Return the waiver that was there at ``at`` and ends last; it may have ended before."""
        there = [each for each in self.by_name.get(name, []) if each.created_at <= at]
        return max(there, key=lambda each: each.ends_at, default=None)

    def covers(self, name: str, at: datetime) -> bool:
        waiver = self.of(name, at)
        return waiver is not None and at < waiver.ends_at

    def sentence(self, name: str, at: datetime, *, violated: bool) -> str:
        """Return what a report says; of one that has ended only where it would be needed."""
        waiver = self.of(name, at)
        if waiver is None:
            return ""
        end = f"{timezone.localtime(waiver.ends_at):%Y-%m-%d %H:%M %Z}"
        if at < waiver.ends_at:
            return closed(f"Waived until {end}: {waiver.reason}")
        return closed(f"Its waiver ended on {end} and no longer counts: {waiver.reason}") * violated


def read() -> Waivers:
    """Return all waivers. One query."""
    found = defaultdict(list)
    for waiver in Waiver.objects.all():
        found[waiver.budget].append(waiver)
    return Waivers(dict(found))
