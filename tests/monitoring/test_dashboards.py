"""The committed dashboards: in step with their code, laid out well, understood by Prometheus."""

import json
import re

import pytest
import yaml
from django.conf import settings
from grafana_foundation_sdk.models import units

from infra.grafana.__main__ import DASHBOARDS, FOLDER
from infra.grafana.boards.database_and_redis import MEMORY_LIMIT, POOL_LIMIT
from infra.grafana.panels import text
from tests.monitoring.programs import run
from tests.monitoring.queries import asked, panels
from tests.monitoring.test_rules import ALERTS, every_rule

WIDTH = 24


def test_the_committed_json_is_what_the_code_says():
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert committed == {f"{each['uid']}.json": text(each) for each in DASHBOARDS}, (
        "Run `python -m infra.grafana`."
    )


def test_prometheus_understands_every_query(tmp_path):
    rules = [
        {"record": f"query:{number}", "expr": expr}
        for number, (_, expr) in enumerate(asked(window="5m"))
    ]
    path = tmp_path / "queries.yml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(rules)} rules found" in run("promtool", "check", "rules", str(path))


def test_no_variable_of_grafana_is_left_unknown():
    assert [expr for _, expr in asked(window="5m") if "$" in expr] == []


def test_recorded_series_exist_under_the_names_that_are_asked():
    recorded = {rule["record"] for rule in every_rule() if "record" in rule}
    named = {name for _, expr in asked(window="5m") for name in re.findall(r"\b\w+:[\w:]+", expr)}
    assert named - recorded == set()


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: each["uid"])
def test_panels_neither_overlap_nor_stick_out(dashboard):
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= WIDTH, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: each["uid"])
def test_everything_asks_the_data_source_that_is_chosen(dashboard):
    (source,) = (v for v in dashboard["templating"]["list"] if v["type"] == "datasource")
    assert source["name"] == "datasource"
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            asks = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            assert {each["uid"] for each in asks} == {"${datasource}"}


def test_a_panel_of_a_budget_draws_its_lines_from_the_rules():
    budgets = {
        rule["labels"]["budget"] for rule in every_rule() if "budget" in rule.get("labels", {})
    }
    shown = set()
    for _, panel in panels():
        lines = panel["fieldConfig"]["overrides"]
        if lines:
            target, threshold = panel["targets"][-2:]
            assert (target["legendFormat"], threshold["legendFormat"]) == ("target", "threshold")
            budget = re.search(r'budget:target{budget="(\w+)"}', target["expr"])[1]
            assert threshold["expr"] == f'budget:threshold{{budget="{budget}"}}'
            assert [line["matcher"]["options"] for line in lines] == ["target", "threshold"]
            colours = [line["properties"][0]["value"]["fixedColor"] for line in lines]
            assert colours == ["green", "red"]
            shown.add(budget)
    assert shown == budgets


def test_a_limit_is_red_on_the_side_where_the_trouble_is():
    limits = {}
    for title, panel in panels():
        defaults = panel["fieldConfig"]["defaults"]
        steps = [(step["value"], step["color"]) for step in defaults["thresholds"]["steps"]]
        limited = len(steps) > 1 and not defaults.get("mappings")
        if panel["type"] == "timeseries":
            style = "dashed" if limited else "off"
            assert defaults["custom"]["thresholdsStyle"]["mode"] == style
        if limited:
            limits[title, panel["title"]] = steps
        else:
            assert steps[0] == (None, "green")
    golden, stores, runs = "Golden signals and budgets", "Database and Redis", "Load runs"
    assert limits == {
        (golden, "Targets that can be scraped"): [(None, "red"), (1, "green")],
        (golden, "How fast the allowance is used (1 hour)"): [(None, "green"), (14.4, "red")],
        (golden, "Saturation"): [(None, "green"), (POOL_LIMIT, "red")],
        (golden, "Last heard of"): [(None, "green"), (120, "red")],
        (stores, "Share in use"): [(None, "green"), (POOL_LIMIT, "red")],
        (stores, "Share of maxmemory"): [(None, "green"), (MEMORY_LIMIT, "red")],
        (runs, "Share of each threshold that was used"): [(None, "green"), (1, "red")],
        (runs, "Database pool"): [(None, "green"), (POOL_LIMIT, "red")],
    }


@pytest.mark.parametrize(
    ("alert", "limit"),
    [
        ("DatabasePoolHigh", POOL_LIMIT),
        ("DatabaseConnectionsHigh", POOL_LIMIT),
        ("RedisMemoryHigh", MEMORY_LIMIT),
    ],
)
def test_a_line_is_where_its_alert_fires(alert, limit):
    (rule,) = (rule for rule in ALERTS if rule["alert"] == alert)
    assert re.search(rf"> {limit:g}$", rule["expr"], re.MULTILINE)


def test_shares_and_seconds_are_shown_as_what_they_are():
    for title, panel in panels():
        for target in panel["targets"]:
            expr, unit = target["expr"], panel["fieldConfig"]["defaults"]["unit"]
            if "histogram_quantile" in expr and "_seconds" in expr:
                assert unit == units.Seconds, (title, panel["title"])
            if re.search(r":ratio(5m)?\b(?! ?/)", expr) and "bad" not in expr:
                assert unit == units.PercentUnit, (title, panel["title"])


def test_grafana_finds_the_files_and_both_data_sources():
    provisioning = settings.BASE_DIR / "infra" / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources" / "midst.yml").read_text())
    prometheus, jaeger = sources["datasources"]
    (exemplars,) = prometheus["jsonData"]["exemplarTraceIdDestinations"]
    assert exemplars["datasourceUid"] == jaeger["uid"]
    assert jaeger["jsonData"]["tracesToMetrics"]["datasourceUid"] == prometheus["uid"]
    scraped = yaml.safe_load((settings.BASE_DIR / "infra/prometheus/prometheus.yml").read_text())
    assert prometheus["jsonData"]["timeInterval"] == scraped["global"]["scrape_interval"]
