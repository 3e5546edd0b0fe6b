"""What a dashboard is made of, and its JSON as Grafana provisions it (classic model, 11 and 12).

Units are Grafana's: s, percentunit (0 to 1), reqps, bytes, ... Our own few classes rather than
Grafana's SDK: that is published once per release of Grafana under one name, so that no lower bound
picks the right one.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_uppercase
from typing import Any

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


Json = dict[str, Any]

SCHEMA_VERSION = 39
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_OUTCOMES = ((0, "met", "green"), (1, "near", "orange"), (2, "violated", "red"))


def text(dashboard: Dashboard) -> str:
    """Return the committed file's content: stable, one change is one hunk."""
    return json.dumps(encode(dashboard), indent=2, ensure_ascii=False) + "\n"


def encode(dashboard: Dashboard) -> Json:
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["midst"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "type": "dashboards", "title": "Midst", "tags": ["midst"], "asDropdown": True,
                "includeVars": False, "keepTime": True,
            }
        ],
        "annotations": {"list": [_alerts()]},
        "templating": {"list": [_datasource(), *map(_variable, dashboard.variables)]},
        "panels": _laid_out(dashboard.rows),
    }  # fmt: skip


def _laid_out(rows: tuple[Row, ...]) -> list[Json]:
    """Place panels from left to right, then below; ids count from 1."""
    placed: list[Json] = []
    y = 0
    for row in rows:
        placed.append(
            {
                "id": len(placed) + 1, "type": "row", "title": row.title, "collapsed": False,
                "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}, "panels": [],
            }
        )  # fmt: skip
        y, x, tallest = y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            placed.append({"id": len(placed) + 1, "gridPos": place, **_panel(panel)})
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return placed


def _panel(panel: Panel) -> Json:
    return {
        "type": str(panel.kind),
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "targets": [
            {
                "refId": ascii_uppercase[number],
                "datasource": SOURCE,
                "editorMode": "code",
                "expr": query.expr,
                "legendFormat": query.legend or "__auto",
                "range": panel.kind in {Kind.LINES, Kind.HEATMAP},
                "instant": panel.kind in {Kind.NUMBER, Kind.BARS},
                "exemplar": query.exemplars,
                "format": "heatmap" if panel.kind == Kind.HEATMAP else "time_series",
            }
            for number, query in enumerate(queries(panel))
        ],
        "fieldConfig": _fields(panel),
        "options": _options(panel.kind),
    }


def _fields(panel: Panel) -> Json:
    defaults: Json = {"unit": str(panel.unit), "thresholds": _thresholds(panel), "min": 0}
    if panel.outcome:
        defaults["mappings"] = [
            {
                "type": "value",
                "options": {str(value): {"text": word, "color": colour, "index": value}},
            }
            for value, word, colour in _OUTCOMES
        ]
    if panel.kind == Kind.LINES:
        defaults["color"] = {"mode": "palette-classic"}
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 20 if panel.stacked else 5,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if panel.limit else "off"},
        }
    elif panel.kind != Kind.HEATMAP:
        defaults["color"] = {"mode": "thresholds"}
    lines = [_bound("target", "green"), _bound("threshold", "red")] if panel.budget else []
    return {"defaults": defaults, "overrides": lines}


def _thresholds(panel: Panel) -> Json:
    limit: Limit | None = panel.limit
    steps: list[tuple[float | None, str]]
    if panel.outcome:
        steps = [(None if value == 0 else value, colour) for value, _, colour in _OUTCOMES]
    elif limit is None:
        steps = [(None, "green")]
    elif limit.bad_above:
        steps = [(None, "green"), (limit.at, "red")]
    else:
        steps = [(None, "red"), (limit.at, "green")]
    return {
        "mode": "absolute",
        "steps": [{"value": value, "color": colour} for value, colour in steps],
    }


def _bound(name: str, colour: str) -> Json:
    properties = {
        "color": {"mode": "fixed", "fixedColor": colour},
        "custom.lineStyle": {"fill": "dash", "dash": [8, 6]},
        "custom.lineWidth": 2,
        "custom.fillOpacity": 0,
        "custom.stacking": {"mode": "none", "group": "B"},
    }
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def _options(kind: Kind) -> Json:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    options: dict[Kind, Json] = {
        Kind.LINES: {
            "legend": {
                "showLegend": True, "displayMode": "table", "placement": "bottom",
                "calcs": ["lastNotNull", "max"],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        Kind.NUMBER: {
            "reduceOptions": reduced, "colorMode": "background", "graphMode": "none",
            "textMode": "auto", "orientation": "auto", "justifyMode": "auto",
        },
        Kind.BARS: {
            "reduceOptions": reduced, "displayMode": "basic", "orientation": "horizontal",
            "showUnfilled": True, "valueMode": "color",
        },
        Kind.HEATMAP: {
            "calculate": False,
            "yAxis": {"unit": "s"},
            "color": {"mode": "scheme", "scheme": "Blues", "steps": 32},
            "cellGap": 1,
            "tooltip": {"mode": "single", "yHistogram": True},
            "exemplars": {"color": "orange"},
        },
    }  # fmt: skip
    return options[kind]


def _datasource() -> Json:
    return {
        "type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus",
        "current": {"text": "Prometheus", "value": "prometheus"}, "hide": 0,
    }  # fmt: skip


def _variable(variable: Variable) -> Json:
    query = f"label_values({variable.metric}, {variable.label})"
    return {
        "type": "query", "name": variable.name, "label": variable.name.capitalize(),
        "datasource": SOURCE, "definition": query,
        "query": {"query": query, "refId": "Variable"},
        "refresh": 2, "sort": 1, "multi": True, "includeAll": True, "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]}, "hide": 0,
    }  # fmt: skip


def _alerts() -> Json:
    return {
        "name": "Alerts", "enable": True, "hide": False, "iconColor": "red",
        "datasource": SOURCE, "expr": 'ALERTS{alertstate="firing"}',
        "titleFormat": "{{alertname}}", "textFormat": "{{budget}}{{job}}{{queue}}", "step": "60s",
    }  # fmt: skip
