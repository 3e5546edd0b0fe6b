"""The committed dashboards: in step with their code, laid out well, understood by Prometheus."""

import json
import re

import pytest
import yaml
from django.conf import settings

from infra.grafana.__main__ import DASHBOARDS, FOLDER
from infra.grafana.boards.database_and_redis import MEMORY_LIMIT, POOL_LIMIT
from infra.grafana.encode import WIDTH, Unit, encode, text
from tests.monitoring.programs import run
from tests.monitoring.queries import asked, panels
from tests.monitoring.test_rules import ALERTS, every_rule

ENCODED = [encode(dashboard) for dashboard in DASHBOARDS]


def test_the_committed_json_is_what_the_code_says():
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert committed == {f"{each.uid}.json": text(each) for each in DASHBOARDS}, (
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


@pytest.mark.parametrize("dashboard", ENCODED, ids=lambda each: each["uid"])
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


@pytest.mark.parametrize("dashboard", ENCODED, ids=lambda each: each["uid"])
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
    shown = {panel.budget for _, panel in panels() if panel.budget}
    assert shown == budgets
    drawn = 0
    for dashboard in ENCODED:
        for panel in dashboard["panels"]:
            lines = panel.get("fieldConfig", {}).get("overrides", [])
            if lines:
                legends = [target["legendFormat"] for target in panel["targets"]]
                assert legends[-2:] == ["target", "threshold"]
                colours = [line["properties"][0]["value"]["fixedColor"] for line in lines]
                assert colours == ["green", "red"]
                drawn += 1
    assert drawn == sum(1 for _, panel in panels() if panel.budget)


def test_a_limit_is_red_on_the_side_where_the_trouble_is():
    for (_, panel), encoded in zip(
        panels(),
        (each for board in ENCODED for each in board["panels"] if each["type"] != "row"),
        strict=True,
    ):
        if panel.limit is None:
            continue
        below, above = encoded["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert (below["value"], above["value"]) == (None, panel.limit.at)
        assert (above if panel.limit.bad_above else below)["color"] == "red"


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
        for query in panel.queries:
            if "histogram_quantile" in query.expr and "_seconds" in query.expr:
                assert panel.unit == Unit.SECONDS, (title, panel.title)
            if re.search(r":ratio(5m)?\b(?! ?/)", query.expr) and "bad" not in query.expr:
                assert panel.unit == Unit.SHARE, (title, panel.title)


def test_grafana_finds_the_files_and_both_data_sources():
    provisioning = settings.BASE_DIR / "infra" / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources" / "midst.yml").read_text())
    prometheus, jaeger = sources["datasources"]
    (exemplars,) = prometheus["jsonData"]["exemplarTraceIdDestinations"]
    assert exemplars["datasourceUid"] == jaeger["uid"]
    assert jaeger["jsonData"]["tracesToMetrics"]["datasourceUid"] == prometheus["uid"]
    scraped = yaml.safe_load((settings.BASE_DIR / "infra/prometheus/prometheus.yml").read_text())
    assert prometheus["jsonData"]["timeInterval"] == scraped["global"]["scrape_interval"]
