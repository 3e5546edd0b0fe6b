"""Grafana's own SDK with what all of our dashboards have in common.

The SDK is published once for each release of Grafana under one name: the pin says which.
"""

import json
from enum import Enum
from string import ascii_uppercase
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import bargauge, common, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

SOURCE = model.DataSourceRef("prometheus", "${datasource}")
# The values of budget:outcome as words.
_OUTCOMES = ((0, "met", "green"), (1, "near", "orange"), (2, "violated", "red"))
_COLOURS = model.FieldColorModeId


class Kind(Enum):
    LINES = timeseries.Panel
    NUMBER = stat.Panel
    BARS = bargauge.Panel
    HEATMAP = heatmap.Panel


Panel = timeseries.Panel | stat.Panel | bargauge.Panel | heatmap.Panel


class Query(NamedTuple):
    """``legend`` uses Grafana's ``{{label}}``; ``exemplars``: show the traces behind it."""

    expr: str
    legend: str = "__auto"
    exemplars: bool = False


class Limit(NamedTuple):
    """A line that an alert watches. ``bad_above``: on which side the trouble is."""

    at: float
    bad_above: bool = True


class Row(NamedTuple):
    title: str
    panels: tuple[Panel, ...]


def panel(
    title: str,
    unit: str,
    queries: tuple[Query, ...],
    description: str = "",
    *,
    kind: Kind = Kind.LINES,
    width: int = 8,
    height: int = 8,
    budget: str = "",
    limit: Limit | None = None,
    stacked: bool = False,
    outcome: bool = False,
) -> Panel:
    """Return a panel. ``budget``: its target and threshold are drawn as lines, from the rules.

    ``unit`` is one of the SDK's. ``outcome``: the values are budget:outcome, shown as words.
    """
    made: Panel = kind.value()
    made.title(title).description(description).unit(unit).min(0).span(width).height(height)
    made.datasource(SOURCE).thresholds(_thresholds(limit, outcome=outcome))
    if budget:
        queries += tuple(
            Query(f'budget:{name}{{budget="{budget}"}}', name) for name in ("target", "threshold")
        )
        made.override_by_name("target", _bound("green"))
        made.override_by_name("threshold", _bound("red"))
    if outcome:
        made.mappings([_word(*each) for each in _OUTCOMES])
    if isinstance(made, timeseries.Panel):
        _as_lines(made, stacked=stacked, limited=limit is not None)
    elif isinstance(made, heatmap.Panel):
        _as_heatmap(made)
    else:
        _as_numbers(made)
    for name, query in zip(ascii_uppercase, queries, strict=False):
        made.with_target(_target(query, kind).ref_id(name))
    return made


def _target(query: Query, kind: Kind) -> prometheus.Dataquery:
    heat = kind is Kind.HEATMAP
    target = (
        prometheus.Dataquery()
        .datasource(SOURCE)
        .editor_mode(QueryEditorMode.CODE)
        .expr(query.expr)
        .legend_format(query.legend)
        .exemplar(query.exemplars)
        .format(PromQueryFormat.HEATMAP if heat else PromQueryFormat.TIME_SERIES)
    )
    return target.range() if heat or kind is Kind.LINES else target.instant()


def _as_lines(panel: timeseries.Panel, *, stacked: bool, limited: bool) -> None:
    stacking, style = choices.StackingMode, choices.GraphThresholdsStyleMode
    panel.draw_style(choices.GraphDrawStyle.LINE).line_width(1).fill_opacity(20 if stacked else 5)
    panel.show_points(choices.VisibilityMode.NEVER).span_nulls(False)
    panel.color_scheme(build.FieldColor().mode(_COLOURS.PALETTE_CLASSIC))
    panel.stacking(
        common.StackingConfig().mode(stacking.NORMAL if stacked else stacking.NONE).group("A")
    )
    panel.thresholds_style(
        common.GraphThresholdsStyleConfig().mode(style.DASHED if limited else style.OFF)
    )
    panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(choices.LegendDisplayMode.TABLE)
        .placement(choices.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
    )
    panel.tooltip(
        common.VizTooltipOptions()
        .mode(choices.TooltipDisplayMode.MULTI)
        .sort(choices.SortOrder.DESCENDING)
    )


def _as_numbers(panel: stat.Panel | bargauge.Panel) -> None:
    """The last value: as a number on the colour of its threshold, or as a bar of it."""
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    panel.color_scheme(build.FieldColor().mode(_COLOURS.THRESHOLDS))
    if isinstance(panel, stat.Panel):
        panel.color_mode(choices.BigValueColorMode.BACKGROUND)
        panel.graph_mode(choices.BigValueGraphMode.NONE)
    else:
        panel.display_mode(choices.BarGaugeDisplayMode.BASIC)
        panel.orientation(choices.VizOrientation.HORIZONTAL)
        panel.value_mode(choices.BarGaugeValueMode.COLOR)


def _as_heatmap(panel: heatmap.Panel) -> None:
    colours = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(32)
    panel.color(colours).cell_gap(1).exemplars_color("orange").show_y_histogram()
    panel.y_axis(heatmap.YAxisConfig().unit("s"))


def _thresholds(limit: Limit | None, *, outcome: bool) -> build.ThresholdsConfig:
    steps: list[tuple[float | None, str]] = [(None, "green")]
    if outcome:
        steps = [(value or None, colour) for value, _, colour in _OUTCOMES]
    elif limit is not None:
        below, above = ("green", "red") if limit.bad_above else ("red", "green")
        steps = [(None, below), (limit.at, above)]
    return (
        build.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(*step) for step in steps])
    )


def _word(value: int, word: str, colour: str) -> model.ValueMap:
    return model.ValueMap({str(value): model.ValueMappingResult(word, colour, index=value)})


def _bound(colour: str) -> list[model.DynamicConfigValue]:
    properties: dict[str, object] = {
        "color": {"mode": "fixed", "fixedColor": colour},
        "custom.lineStyle": {"fill": "dash", "dash": [8, 6]},
        "custom.lineWidth": 2,
        "custom.fillOpacity": 0,
        "custom.stacking": {"mode": "none", "group": "B"},
    }
    return [model.DynamicConfigValue(*each) for each in properties.items()]


def choice(name: str, metric: str, label: str) -> build.QueryVariable:
    """Return a choice at the top of the page: the values of ``label`` on ``metric``."""
    return (
        build.QueryVariable(name)
        .label(name.capitalize())
        .datasource(SOURCE)
        .query({"query": f"label_values({metric}, {label})", "refId": "Variable"})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(text=["All"], value=["$__all"]))
    )


def dashboard(
    uid: str,
    title: str,
    description: str,
    rows: tuple[Row, ...],
    choices: tuple[build.QueryVariable, ...] = (),
) -> dict[str, Any]:
    """Return a dashboard as Grafana reads it. ``uid`` is in its address and its file's name."""
    made = (
        build.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["midst"])
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .link(
            build.DashboardLink("Midst")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["midst"])
            .as_dropdown(True)
            .keep_time(True)
        )
        .annotation(
            build.AnnotationQuery()
            .name("Alerts")
            .enable(True)
            .icon_color("red")
            .datasource(SOURCE)
            .expr('ALERTS{alertstate="firing"}')
        )
        .with_variable(
            build.DatasourceVariable("datasource")
            .label("Data source")
            .type("prometheus")
            .current(model.VariableOption(text="Prometheus", value="prometheus"))
        )
    )
    for each in choices:
        made.with_variable(each)
    for row in rows:
        made.with_row(build.Row(row.title))
        for each_panel in row.panels:
            made.with_panel(each_panel)
    found: dict[str, Any] = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    # Fields of Prometheus' annotations, which the SDK's own type lacks.
    found["annotations"]["list"][0] |= {
        "titleFormat": "{{alertname}}", "textFormat": "{{budget}}{{job}}{{queue}}", "step": "60s",
    }  # fmt: skip
    for number, placed in enumerate(found["panels"], 1):
        placed["id"] = number
    return found


def text(dashboard: dict[str, Any]) -> str:
    """Return the committed file's content: stable, one change is one hunk."""
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"
