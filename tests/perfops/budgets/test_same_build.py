"""manage.py aa_test: what is recorded, what is stored, and where it is shown."""

import platform
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse
from rich.console import Console

from perfops import tasks
from perfops.budgets.against import checkouts, comparing, same_build
from perfops.budgets.against.checkouts import Recipe
from perfops.budgets.against.comparing import Compared
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.against.measuring import Measured, Wanted
from perfops.budgets.against.same_build import Recorded
from perfops.load.slowdown import VARIABLE
from perfops.management import report
from perfops.models.noise import AATest
from perfops.models.runs import LoadRun
from perfops.rest import runs
from perfops.statistics.gate import Series, in_turn
from tests.perfops.budgets.test_verdicts import run_with

pytestmark = pytest.mark.django_db
CPU = ("all routes", "CPU")


def recorded(pairs=12, spread=0.0):
    values = [2.0 * (1 + spread * (number % 3 - 1)) for number in range(pairs)]
    same = [({CPU: each}, {CPU: each}) for each in values]
    return Recorded(same, [({CPU: each}, {CPU: each * 1.5}) for each in values])


def in_turns(starved=0, errors=0, pairs=3):
    """Return what was recorded, and in which order; ``starved``: so many runs of the first."""
    order = []

    def measure(side, seconds):
        order.append(side.name)
        generator = "k6 was starved." if order.count("first") <= starved else ""
        return Measured({"/a": 100}, {"/a": errors}, {CPU: 1.0}, 0, generator)

    names = ("first", "second", "slowed")
    sides = tuple(checkouts.Side(name, None, name, None, 1, "") for name in names)
    found = same_build.in_turn(sides, Wanted(pairs=pairs), measure, lambda _: None)
    return found, [name[:2] for name in order]


def test_the_three_run_forth_and_back_and_a_starved_round_is_left_out_and_made_up_for():
    found, order = in_turns()
    assert order == ["fi", "se", "sl", "sl", "se", "fi", "fi", "se", "sl"]
    assert (len(found.same), len(found.slowed)) == (3, 3)
    found, order = in_turns(starved=2)
    assert (len(found.same), len(order)) == (3, 5 * 3)
    found, order = in_turns(starved=99)
    assert (found.same, len(order)) == ([], 3 * 3)
    with pytest.raises(CouldNotCompare, match="no measure"):
        in_turns(errors=50)


def test_what_is_stored_says_rates_the_slowdown_that_was_measured_and_the_pairs_it_takes():
    found = same_build.judged(recorded(), Wanted(), 1.0)
    assert (found.false_alarms["count"], found.misses["count"]) == (0, 0)
    assert found.slowed_by == pytest.approx(0.5)
    assert found.needed is None
    loud = same_build.judged(recorded(spread=0.3), Wanted(), 1.0)
    assert loud.needed > 12
    assert loud.smallest_effect is None or loud.smallest_effect > found.smallest_effect


def test_the_slowed_server_alone_has_the_variable():
    how = Recipe(environment={"A": "b"})
    assert same_build.with_slowdown(how, 1.5).environment == {"A": "b", VARIABLE: "1.5"}
    assert how.environment == {"A": "b"}


def test_verdicts_and_the_page_of_budgets_say_it_and_noise_asks_for_more_pairs(
    admin_client, monkeypatch, capsys
):
    page = reverse("admin:perfops_budget_changelist")
    assert "was not measured yet" in admin_client.get(page).content.decode()
    rate = {"count": 0, "verdicts": 100, "low": 0.0, "high": 0.79}
    found = AATest.objects.create(
        host=platform.node(), cores=2, scenario="smoke", seconds=15, pairs=12, slowdown_ms=1,
        false_alarms=rate, misses=rate, needed=30,
    )  # fmt: skip
    said = "false alarms 0 of 100 (0% to 79%)"
    assert said in same_build.sentence(found)
    assert said in admin_client.get(page).content.decode()
    asked = []

    def compare(ref, wanted, say):
        asked.append(wanted.pairs)
        return Compared(in_turn([Series("/a", "p50", (1.0,) * 6, (1.0,) * 6)]), 6)

    monkeypatch.setattr(comparing, "compare", compare)
    for more in ([], ["--pairs", "7"]):
        with pytest.raises(SystemExit):
            call_command("check_budget", "--against", "HEAD", *more)
    assert asked == [24, 7]
    assert "false alarms 0 of 100" in capsys.readouterr().out
    AATest.objects.update(host=f"not {platform.node()}")
    assert same_build.newest() is None
    assert same_build.pairs_for_host(12) == 12


def test_each_report_of_a_run_that_was_judged_says_it_and_of_another_run_none_does(admin_client):
    verdict, nothing = LoadRun.Verdict.PASSED, LoadRun.Verdict.NONE
    run = run_with()
    for word, is_said in ((verdict, False), (nothing, False), (verdict, True)):
        LoadRun.objects.update(verdict=word)
        if is_said:
            rate = {"count": 0, "verdicts": 100, "low": 0.0, "high": 0.79}
            AATest.objects.create(
                host=platform.node(), cores=2, scenario="smoke", seconds=15, pairs=12,
                slowdown_ms=1, false_alarms=rate, misses=rate, needed=30,
            )  # fmt: skip
        run.refresh_from_db()
        out = Console(file=StringIO(), width=400)
        report.run_as_text(run, out)
        page = admin_client.get(reverse("admin:perfops_loadrun_change", args=[run.pk]))
        texts = [
            out.file.getvalue(), page.content.decode(), runs.one(None, run.pk)["noise"],
            report.run_as_data(run)["noise"],
        ]  # fmt: skip
        assert ["false alarms 0 of 100" in text for text in texts] == [is_said] * 4


def test_what_could_not_run_ends_with_2(monkeypatch, capsys):
    monkeypatch.setattr(same_build, "record", lambda *_: recorded(pairs=3))
    with pytest.raises(SystemExit) as ended:
        call_command("aa_test")
    assert ended.value.code == 2
    assert "3 pairs were recorded" in capsys.readouterr().out
    assert not AATest.objects.exists()
    monkeypatch.setattr(same_build, "record", lambda *_: recorded())
    call_command("aa_test")
    assert "CPU of all routes: runs vary by" in capsys.readouterr().out
    assert AATest.objects.get().pairs == 12


def test_the_nightly_task_is_bounded_by_its_minutes(monkeypatch):
    asked = []
    monkeypatch.setattr(same_build, "run", lambda wanted, ms, say: asked.append((wanted, ms)))
    tasks.aa_test(2)
    ((wanted, ms),) = asked
    assert (wanted.minutes, wanted.pairs, ms) == (2, 24, 1.0)
