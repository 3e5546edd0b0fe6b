"""Violations that are accepted until a day: which ones, why, and what a report says of them."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from perfops.models.decisions import Waiver

# What has no row among the budgets: counts of requests, and two builds in turn.
COUNTS = (
    "statements", "statements of a second request", "rows", "blocks", "bytes",
    "Python instructions",
)  # fmt: skip
TIMES = ("p50", "p95", "p99", "CPU")
FIGURES = (*COUNTS, *TIMES)


def figure_and_route(name: str) -> tuple[str, str]:
    """Return the figure of ``FIGURES`` and the route that ``name`` is of; both "" for a budget."""
    for figure in sorted(FIGURES, key=len, reverse=True):
        if name.startswith(f"{figure} of "):
            return figure, name.removeprefix(f"{figure} of ").strip()
    return "", ""


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
            return f"Waived until {end}: {waiver.reason}"
        return f"Its waiver ended on {end} and no longer counts: {waiver.reason}" * violated


def read() -> Waivers:
    """Return all waivers. One query."""
    found = defaultdict(list)
    for waiver in Waiver.objects.all():
        found[waiver.budget].append(waiver)
    return Waivers(dict(found))
