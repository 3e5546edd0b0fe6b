"""The guides for developers work as they are written: their code runs, their files exist."""

import ast
import re
import shutil
import textwrap

import msgspec
import pytest
import yaml
from django.conf import settings

from infra.grafana.boards import golden_signals
from perfops.analysis.advisors import registry
from perfops.analysis.collectors.records import Table
from perfops.budgets import services as budgets
from perfops.checks import check_project
from perfops.conf import conf
from perfops.load import routes, scenarios
from profiles.collections import cv
from tests.monitoring.programs import run
from tests.perfops.analysis.test_advisors import window
from tests.perfops.budgets.test_verdicts import run_with

GUIDES = settings.BASE_DIR / "docs" / "development"
PROMETHEUS = settings.BASE_DIR / "infra" / "prometheus"


def blocks(guide: str, language: str) -> list[str]:
    fenced = rf"^ *```{language}\n(.*?)^ *```"
    found = re.findall(fenced, (GUIDES / guide).read_text(), re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def test_the_guides_advisor_is_found_by_its_setting_and_detects_its_issue(
    settings, tmp_path, monkeypatch
):
    code = next(block for block in blocks("add-an-advisor.md", "python") if "def run" in block)
    folder = tmp_path / "guide_shop" / "advisors"
    folder.mkdir(parents=True)
    (folder / "wide_tables.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    settings.PERFOPS = {**settings.PERFOPS, "ADVISORS": ["guide_shop.advisors.wide_tables"]}
    assert check_project() == []
    assert "large_tables" in registry.titles()
    tables = [
        Table("public", name, rows, 1, 0, 0, 0, 0, 0) for name, rows in (("a", 9), ("b", 2**20))
    ]
    results = registry.run_advisors(window(tables=tables), conf(), only=["large_tables"])
    assert [issue.title for issue in results.issues] == ["Table b has 1,048,576 rows"]


@pytest.mark.django_db
def test_the_guides_budget_metric_judges_a_run(settings, tmp_path, monkeypatch):
    (code,), (wanted,) = (blocks("add-a-budget-metric.md", name) for name in ("python", "json"))
    (tmp_path / "guide_metric.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    settings.PERFOPS = {**settings.PERFOPS, "BUDGET_METRICS": ["guide_metric"]}
    assert check_project() == []
    budgets.replace_budgets(budgets.wanted(wanted.encode()))
    (found,) = budgets.evaluate(run_with(errors=11))
    assert (str(found.budget), found.outcome) == ("errors of a run", "violated")


def test_the_guides_collection_declares_what_its_model_has():
    model, declaration = blocks("add-a-collection.md", "python")[:2]
    columns = set(re.findall(r"^    (\w+) = models\.", model, re.MULTILINE))
    (call,) = ast.parse(declaration).body
    narrated = {text.value for text in ast.walk(call) if isinstance(text, ast.Constant)}
    assert columns == {"cause", "role", "description"}
    assert columns <= narrated
    assert call.value.func.id == "_entries"
    assert callable(vars(cv)["_entries"])


def test_the_guides_scenario_can_be_loaded_with_its_routes(tmp_path):
    of_routes, of_scenarios, of_writes = blocks("add-a-scenario.md", "json")
    (tmp_path / "routes.json").write_text(of_routes)
    (tmp_path / "scenarios.json").write_text(of_scenarios)
    plan = scenarios.load(tmp_path, "lunch")
    assert (plan.duration_s, plan.peak_rate) == (150, 200)
    assert set(msgspec.json.decode(of_routes)) == {"/", "/orders/{pk}/"}
    assert routes.read(plan.routes)
    (tmp_path / "routes.json").write_text(of_writes)
    assert [each.made for each in routes.read(plan.routes).values()] == ["shop.Note.text"]


# `file.py` or `file.py: symbol, symbol` at the head of a stop.
STOP = re.compile(r"^\d+\. `([\w/.-]+)`: (.+?)\.$", re.MULTILINE)


def stops() -> list[tuple[str, list[str]]]:
    text = (GUIDES / "tour.md").read_text()
    return [(name, re.findall(r"`([\w.]+)`", symbols)) for name, symbols in STOP.findall(text)]


def defined(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {each.id for each in targets if isinstance(each, ast.Name)}
    return names


def test_the_tour_has_twelve_stops():
    assert len(stops()) == 12


@pytest.mark.parametrize(("name", "symbols"), stops())
def test_each_file_of_the_tour_has_the_symbols_that_it_names(name, symbols):
    source = (settings.BASE_DIR / name).read_text()
    assert symbols, f"Name what to see in {name}."
    assert set(symbols) - defined(source) == set(), f"They are not defined in {name}."


@pytest.mark.parametrize("guide", sorted(path.name for path in GUIDES.glob("*.md")))
def test_each_path_that_a_guide_names_exists(guide):
    named = re.findall(
        r"`((?:perfops|midst|profiles|taxonomy|tests|infra|docs)/[\w/.-]+)`",
        (GUIDES / guide).read_text(),
    )
    assert [path for path in named if not (settings.BASE_DIR / path).exists()] == []


@pytest.mark.parametrize("guide", sorted(path.name for path in GUIDES.glob("*.md")))
def test_each_guide_is_two_pages_at_most(guide):
    assert len((GUIDES / guide).read_text().splitlines()) <= 130


@pytest.mark.slow
def test_the_guides_metric_has_a_panel_an_alert_that_fires_and_a_run_book(tmp_path):
    metric, _, _, panel = blocks("add-a-metric.md", "python")
    rule, shown = blocks("add-a-metric.md", "yaml")
    in_place, unit_test = textwrap.indent(rule, " " * 6), textwrap.indent(shown, " " * 2)
    (run_book,) = blocks("add-a-metric.md", "markdown")
    made = {}
    exec(metric, {"Counter": lambda name, *_: made.setdefault("name", name)})
    (query,) = eval(panel, vars(golden_signals)).build().targets
    assert made["name"] in query.expr
    assert made["name"] in rule
    rules, unit_tests = tmp_path / "rules", tmp_path / "tests"
    shutil.copytree(PROMETHEUS / "rules", rules)
    shutil.copytree(PROMETHEUS / "tests", unit_tests)
    alerts = (rules / "alerts.yml").read_text()
    before, after = alerts.split("\n  - name: availability\n")
    (rules / "alerts.yml").write_text(f"{before}\n{in_place}\n  - name: availability\n{after}")
    with (unit_tests / "alerts_test.yml").open("a") as file:
        file.write(f"\n{unit_test}")
    run("promtool", "check", "rules", "--lint-fatal", str(rules / "alerts.yml"))
    run("promtool", "test", "rules", str(unit_tests / "alerts_test.yml"))
    assert f"# {yaml.safe_load(rule)[0]['alert']}\n" in run_book
