"""What a dashboard is made of. Units are Grafana's: s, percentunit (0 to 1), reqps, bytes, ...

Our own few classes rather than Grafana's SDK: that is published once per release of Grafana
under one name, so that no lower bound picks the right one.
"""

from dataclasses import dataclass
from enum import StrEnum

WIDTH = 24


class Kind(StrEnum):
    LINES = "timeseries"
    NUMBER = "stat"
    BARS = "bargauge"
    HEATMAP = "heatmap"


class Unit(StrEnum):
    SECONDS = "s"
    SHARE = "percentunit"
    REQUESTS = "reqps"
    OPERATIONS = "ops"
    ROWS = "cps"
    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    COUNT = "short"


@dataclass(frozen=True, slots=True)
class Query:
    """``legend`` uses Grafana's ``{{label}}``; ``exemplars``: show the traces behind it."""

    expr: str
    legend: str = ""
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """A line that an alert watches. ``bad_above``: on which side the trouble is."""

    at: float
    bad_above: bool = True


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. ``budget``: its target and threshold are drawn as lines, from the rules.

    ``outcome``: the values are budget:outcome, shown as words.
    """

    title: str
    unit: Unit
    queries: tuple[Query, ...]
    description: str = ""
    kind: Kind = Kind.LINES
    width: int = 8
    height: int = 8
    budget: str = ""
    limit: Limit | None = None
    stacked: bool = False
    outcome: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of the page: the values of ``label`` on ``metric``."""

    name: str
    metric: str
    label: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """``uid`` is part of the dashboard's address and the name of its file."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()


def budget_lines(budget: str) -> tuple[Query, Query]:
    """Return the queries that draw a budget's target and threshold."""
    return (
        Query(f'budget:target{{budget="{budget}"}}', "target"),
        Query(f'budget:threshold{{budget="{budget}"}}', "threshold"),
    )


def queries(panel: Panel) -> tuple[Query, ...]:
    """Return all that the panel asks, the lines of its budget included."""
    return panel.queries + (budget_lines(panel.budget) if panel.budget else ())
