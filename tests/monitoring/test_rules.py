"""What Prometheus and Alertmanager are given: accepted by themselves, and each alert proved."""

import re
from functools import cache

import pytest
import yaml
from django.conf import settings
from hypothesis import given
from hypothesis.strategies import characters, text

from perfops.budgets.prometheus import rules as budgets
from perfops.budgets.prometheus.rule_file import edge_for, quoted, render
from perfops.budgets.selectors import rules
from perfops.models import Budget
from tests.monitoring.programs import each, run

PROMETHEUS = settings.BASE_DIR / "infra" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*_test.yml"))
ALERTMANAGER = settings.BASE_DIR / "infra" / "alertmanager" / "alertmanager.yml"


def every_rule():
    return [
        rule
        for path in RULES
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


ALERTS = [rule for rule in every_rule() if "alert" in rule]
NAMES = sorted({rule["alert"] for rule in ALERTS})


def test_prometheus_accepts_its_configuration_and_every_rule():
    assert "SUCCESS" in run("promtool", "check", "config", str(PROMETHEUS / "prometheus.yml"))
    run("promtool", "check", "rules", "--lint-fatal", *each(RULES))


def test_alertmanager_accepts_its_configuration():
    assert "SUCCESS" in run("amtool", "check-config", str(ALERTMANAGER))


@pytest.mark.slow
@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path):
    run("promtool", "test", "rules", str(path))


@cache
def asked():
    """Return (alerts, whether they fire) of everything that the unit tests expect."""
    return tuple(_asked())


def _asked():
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for one in test.get("alert_rule_test", []):
                yield [one["alertname"]], bool(one["exp_alerts"])
            for one in test.get("promql_expr_test", []):
                samples = "".join(str(sample.get("labels")) for sample in one["exp_samples"])
                yield named(samples) or named(one["expr"]), bool(one["exp_samples"])


def named(text):
    """Return the alerts that a selector or a sample's labels name."""
    if text == "count(ALERTS)":
        return NAMES
    exact = re.findall(r'alertname="(\w+)"', text)
    patterns = re.findall(r'alertname=~"([^"]+)"', text)
    return exact + [name for name in NAMES for one in patterns if re.fullmatch(one, name)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fires", [True, False])
def test_every_alert_is_seen_firing_and_silent(name, fires):
    if name == "Watchdog":
        fires = True  # Always.
    seen = {name for names, fired in asked() if fired is fires for name in names}
    what = "firing" if fires else "not firing"
    assert name in seen, f"Show {name} {what} in infra/prometheus/tests/."


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_how_bad_what_it_is_and_where_to_read_on(rule):
    severities = {"none"} if rule["alert"] == "Watchdog" else {"critical", "warning"}
    assert rule["labels"]["severity"] in severities
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    runbook = f"{{{{ $externalLabels.runbooks }}}}/{rule['alert']}.md"
    assert rule["annotations"]["runbook_url"] == runbook


@pytest.mark.django_db
def test_the_committed_rules_are_those_of_the_default_budgets():
    assert (PROMETHEUS / "rules" / "budgets.yml").read_text() == rules(), (
        "Run `manage.py budget_rules --output infra/prometheus/rules/budgets.yml` "
        "on a database with the default budgets."
    )


@pytest.mark.django_db
def test_a_changed_budget_is_a_changed_rule(tmp_path):
    Budget.objects.filter(metric="latency_p95").update(target=210, threshold=400)
    Budget.objects.filter(metric="cache_hit_rate").update(enabled=False)
    Budget.objects.create(
        metric="error_rate", route='/api/v1/"odd"/{id}', target=0.001, threshold=0.01, action="warn"
    )
    written = rules()
    path = tmp_path / "budgets.yml"
    path.write_text(written)
    run("promtool", "check", "rules", "--lint-fatal", str(path))
    assert 'budget:value{budget="latency_p95"} >= 0.4' in written
    # The highest bound of the histogram that is not above 210 ms.
    assert 'http_request_duration_seconds_bucket{le="0.2", ' in written
    assert "CacheHitRateLow" not in written
    own = [r for g in yaml.safe_load(written)["groups"] for r in g["rules"]]
    (alert,) = (r for r in own if r.get("alert") == "ErrorRateHigh" and "route" in r["labels"])
    assert alert["labels"]["route"] == '/api/v1/"odd"/{id}'
    assert alert["labels"]["severity"] == "warning"


@pytest.mark.django_db
def test_a_route_has_no_cache_of_its_own_so_no_rule_says_so():
    before = rules()
    Budget.objects.create(
        metric="cache_hit_rate", route="/a", target=0.9, threshold=0.8, action="warn"
    )
    assert rules() == before


def test_a_rate_that_takes_more_than_all_requests_is_left_out():
    budget = Budget(metric="cache_hit_rate", target=0.85, threshold=0.7, action="alert")
    (burning,) = (g.rules for g in budgets.groups([budget]) if g.name == "budget-burn-alerts")
    assert [rule.labels["burn_rate"] for rule in burning] == ["6", "3", "1"]


def test_rules_know_the_bounds_that_are_measured():
    from midst.telemetry.metrics import BUCKETS_S
    from perfops.conf import conf

    assert conf().LATENCY_EDGES_S == BUCKETS_S


@given(text(alphabet=characters(exclude_categories=["Cs"])))
def test_any_text_is_one_string_to_yaml(value):
    assert yaml.safe_load(f"key: {quoted(value)}") == {"key": value}


def test_any_route_is_one_label_to_prometheus(tmp_path):
    odd = 'a"b\\c\n\u2028\u0085ü\U0001f600{{id}}'
    budget = Budget(metric="error_rate", route=odd, target=0.01, threshold=0.05, action="warn")
    path = tmp_path / "budgets.yml"
    path.write_text(render(budgets.groups([budget]), comment="odd"))
    run("promtool", "check", "rules", "--lint-fatal", str(path))
    selector = f'http_requests_total{{route={quoted(odd)}, status="500"}}'
    fires = {
        "rule_files": [str(path)],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": selector, "values": "0+10x20"}],
                "promql_expr_test": [
                    {
                        "expr": f"count(ALERTS{{alertname='ErrorRateHigh', route={quoted(odd)}}})",
                        "eval_time": "15m",
                        "exp_samples": [{"value": 1}],
                    }
                ],
            }
        ],
    }
    unit_test = tmp_path / "test.yml"
    unit_test.write_text(yaml.safe_dump(fires))
    run("promtool", "test", "rules", str(unit_test))


@pytest.mark.parametrize(
    ("ms", "edge"), [(300, 0.3), (299.9, 0.2), (0.5, 0.001), (60_000, 10.0), (1000, 1.0)]
)
def test_the_share_of_quick_answers_is_known_at_bounds_only(ms, edge):
    assert edge_for(ms / 1000) == edge


def test_numbers_are_written_as_they_were_typed():
    budget = Budget(metric="throughput", target=12_345_678.5, threshold=0.123456789, action="warn")
    written = render(budgets.groups([budget]), comment="")
    assert "vector(12345678.5)" in written
    assert "vector(0.123456789)" in written
