"""``k6_scenario`` writes a scenario that is found, without hiding those that were there."""

from types import SimpleNamespace

import pytest
from django.core.management import call_command

from perfops.analysis.collectors import origins
from perfops.load import routes
from perfops.load import scenarios as plans


@pytest.fixture
def folder(tmp_path, settings):
    settings.PERFOPS = {**settings.PERFOPS, "SCENARIO_DIR": tmp_path}
    return tmp_path


@pytest.mark.django_db
def test_it_writes_a_scenario_that_is_found_beside_the_others(folder, capsys, monkeypatch):
    call_command("k6_scenario", "first", "--rate", "30", "--seconds", "10")
    plan = plans.find("first")
    assert (plan.peak_rate, plan.duration_s) == (30, 10)
    assert "smoke" in plans.scenarios(folder)
    written = routes.read(plan.routes)
    assert "/health" in written
    assert not any("/auth/" in name or "metrics" in name for name in written)
    assert "all routes alike" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        call_command("k6_scenario", "first")
    assert ended.value.code == 2
    assert "--replace" in capsys.readouterr().err
    counted = [SimpleNamespace(name="GET /health", executions=9)]
    monkeypatch.setattr(origins, "scopes", lambda **_: counted)
    call_command("k6_scenario", "first", "--replace")
    assert list(routes.read(plans.find("first").routes)) == ["/health"]
    assert "shares of 9 requests" in capsys.readouterr().out


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "content", "says"),
    [
        (["../x"], None, "is no name"),
        (["x", "--rate", "0"], None, "at least 1"),
        (["x"], "{", "is no JSON"),
        (["x"], "[]", "no list of scenarios"),
    ],
)
def test_what_it_cannot_write_it_says_and_leaves_alone(folder, capsys, arguments, content, says):
    if content is not None:
        (folder / "scenarios.json").write_text(content)
    with pytest.raises(SystemExit) as ended:
        call_command("k6_scenario", *arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
    assert [file.name for file in folder.iterdir()] == (["scenarios.json"] if content else [])


@pytest.mark.django_db
@pytest.mark.parametrize("before", [None, "[]"])
def test_where_one_file_cannot_be_written_neither_is(folder, capsys, before):
    routes_file = folder / "first-routes.json"
    if before is not None:
        routes_file.write_text(before)
    # A folder in its place: no rename replaces it.
    (folder / "scenarios.json").mkdir()
    with pytest.raises(SystemExit) as ended:
        call_command("k6_scenario", "first")
    assert ended.value.code == 2
    assert capsys.readouterr().err
    assert (routes_file.read_text() if routes_file.exists() else None) == before
    assert not list(folder.glob(".k6_scenario-*"))
