"""What ``manage.py check`` says about a project."""

import shutil

from django.db import connections

from perfops.checks import check_project
from perfops.load import scenarios as plan
from perfops.load import slowdown


def told():
    return [each.id for each in check_project()]


def test_a_project_with_all_of_it_hears_nothing():
    assert told() == []


def test_tables_elsewhere_than_in_postgresql(settings, monkeypatch):
    settings.DATABASE_ROUTERS = ["tests.perfops.test_checks.ToLite"]
    lite = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    monkeypatch.setitem(connections.settings, "lite", {**connections.settings["default"], **lite})
    [error] = check_project()
    assert error.id == "perfops.E001"
    assert "'lite' is sqlite" in error.msg


class ToLite:
    def db_for_write(self, model, **hints):
        return "lite"


def test_an_app_that_is_missing(settings):
    settings.INSTALLED_APPS = [
        name for name in settings.INSTALLED_APPS if name != "django.contrib.postgres"
    ]
    assert told() == ["perfops.W001"]


def test_origins_without_their_middleware(settings):
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "perfops" not in each]
    settings.PERFOPS = {**settings.PERFOPS, "ORIGINS": True}
    assert told() == ["perfops.W003"]
    settings.PERFOPS = {**settings.PERFOPS, "ORIGINS": False}
    assert told() == []


def test_the_slowdown_of_comparisons_in_production(settings):
    settings.MIDDLEWARE = [slowdown.PATH, *settings.MIDDLEWARE]
    settings.DEBUG = True
    assert told() == []
    settings.DEBUG = False
    assert told() == ["perfops.W006"]


def test_a_folder_without_scenarios(settings, tmp_path):
    settings.PERFOPS = {"SCENARIO_DIR": tmp_path}
    assert told() == ["perfops.W002"]
    (tmp_path / "routes.json").write_text("{")
    assert told() == ["perfops.W002"]
    (tmp_path / "routes.json").write_text('{"/": 1}')
    assert told() == []
    (tmp_path / "scenarios.json").write_text("{")
    assert told() == ["perfops.W002"]
    shutil.copy(plan.SCRIPTS / "scenarios.json", tmp_path)
    assert told() == []
    (tmp_path / "routes.json").unlink()
    assert told() == ["perfops.W002"]
    (tmp_path / "smoke.js").touch()
    assert told() == []
    settings.PERFOPS = {}
    assert told() == []


def test_a_model_to_search_that_is_not_there(settings):
    settings.PERFOPS = {"SEARCHED_MODELS": ["shop.order", "order", "perfops.loadrun"]}
    assert told() == ["perfops.W005", "perfops.W005"]
