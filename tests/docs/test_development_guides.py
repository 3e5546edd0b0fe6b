"""The guides for developers work as they are written: their code runs, their files exist."""

import ast
import re

import msgspec
import pytest
from django.conf import settings

from perfops.analysis.advisors import registry
from perfops.analysis.collectors.records import Table
from perfops.checks import check_project
from perfops.conf import conf
from perfops.load import routes, scenarios
from tests.perfops.analysis.test_advisors import window

GUIDES = settings.BASE_DIR / "docs" / "development"


def blocks(guide: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (GUIDES / guide).read_text(), re.DOTALL)


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


def test_the_guides_scenario_can_be_loaded_with_its_routes(tmp_path):
    of_routes, of_scenarios = blocks("add-a-scenario.md", "json")
    (tmp_path / "routes.json").write_text(of_routes)
    (tmp_path / "scenarios.json").write_text(of_scenarios)
    plan = scenarios.load(tmp_path, "lunch")
    assert (plan.duration_s, plan.peak_rate) == (150, 200)
    assert set(msgspec.json.decode(of_routes)) == {"/", "/orders/{pk}/"}
    assert routes.read(plan.routes)


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
