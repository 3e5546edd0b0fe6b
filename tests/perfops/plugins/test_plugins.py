"""Other apps and installed packages add advisors and formats without a change to perfops."""

import sys

import pytest

from perfops import plugins
from perfops.analysis.advisors import registry
from perfops.checks import check_project
from perfops.management import formats

HERE = "tests.perfops.plugins.added"


def test_perfops_own_advisors_and_formats_are_there_without_any_plugin():
    assert "added_tables" not in registry.titles()
    assert list(formats.renderers()) == ["text", "json", "markdown", "html", "sarif"]


def test_a_setting_adds_an_advisor(settings):
    settings.PERFOPS = {**settings.PERFOPS, "ADVISORS": [f"{HERE}.old_rows"]}
    assert registry.titles()["added_tables"] == "Tables of the test package"
    assert check_project() == []


def test_a_setting_adds_an_output_format(settings):
    settings.PERFOPS = {**settings.PERFOPS, "OUTPUT_FORMATS": [f"{HERE}.titles"]}
    assert "titles" in formats.renderers()


def test_an_installed_package_adds_an_advisor_by_its_entry_point(tmp_path, monkeypatch, settings):
    installed = tmp_path / "shop_advisors-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: shop-advisors\nVersion: 1.0\n"
    )
    (installed / "entry_points.txt").write_text(f"[perfops.advisors]\nold_rows = {HERE}.old_rows\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    settings.PERFOPS = {**settings.PERFOPS}  # what was found before is forgotten
    assert "added_tables" in registry.titles()
    (installed / "entry_points.txt").write_text("[perfops.advisors]\ngone = shop.gone\n")
    settings.PERFOPS = {**settings.PERFOPS}
    (fault,) = plugins.faults([registry.GROUP])
    assert fault.startswith(
        "shop.gone (entry point perfops.advisors of shop-advisors) can't be used"
    )


def test_entry_points_are_read_once_until_the_settings_change(settings, monkeypatch):
    read = []
    monkeypatch.setattr(plugins, "entry_points", lambda *, group: read.append(group) or ())
    settings.PERFOPS = {**settings.PERFOPS}
    assert plugins.plugins(registry.GROUP) == plugins.plugins(registry.GROUP) == ()
    assert read == ["perfops.advisors"]
    settings.PERFOPS = {**settings.PERFOPS, "ADVISORS": [f"{HERE}.old_rows"]}
    (added,) = plugins.plugins(registry.GROUP)
    assert added.name == f"{HERE}.old_rows"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"{HERE}.titles", "it lacks ID, TITLE, NEEDS, run"),
        ("no.such.module", "importing it raised"),
        ("nowhere", "importing it raised"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named_by_the_check_and_costs_itself(
    settings, path, reason
):
    settings.PERFOPS = {
        **settings.PERFOPS, "ADVISORS": [path, f"{HERE}.old_rows"],
    }  # fmt: skip
    (warning,) = check_project()
    assert warning.id == "perfops.W004"
    assert warning.msg.startswith(f"{path} (PERFOPS['ADVISORS']) can't be used: ")
    assert reason in warning.msg
    assert "added_tables" in registry.titles()


def test_a_plugin_never_takes_the_place_of_an_own_advisor(settings, monkeypatch):
    settings.PERFOPS = {**settings.PERFOPS, "ADVISORS": [f"{HERE}.old_rows"]}
    from tests.perfops.plugins.added import old_rows

    monkeypatch.setattr(old_rows, "ID", "bloat")
    assert registry.titles()["bloat"] != "Tables of the test package"
