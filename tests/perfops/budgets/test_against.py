"""check_budget --against: two builds in turn, what made one slower, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import psutil
import pytest
from django.core.management import call_command
from msgspec.structs import replace

from perfops.budgets.against import (
    attribution,
    bisecting,
    checkouts,
    comparing,
    counted,
    databases,
    executed,
    serving,
)
from perfops.budgets.against.attribution import Cause
from perfops.budgets.against.cache_use import CacheUse, fall
from perfops.budgets.against.checkouts import Recipe
from perfops.budgets.against.comparing import Compared
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.against.measuring import Measured, Wanted
from perfops.budgets.against.server_cpu import with_cpu
from perfops.budgets.deterministic.counts import Counts
from perfops.load import targets
from perfops.management import against_report
from perfops.statistics.gate import Outcome, Series, in_turn
from tests.perfops.repository import git

pytestmark = pytest.mark.django_db


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository whose second commit changed shop.py, and which is the working directory."""
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for content in ("one", "two"):
        (folder / "shop.py").write_text(content)
        git(folder, "add", "shop.py")
        git(folder, "commit", "--quiet", "-m", f"Shop is {content}")
    monkeypatch.chdir(folder)
    return folder


def measured(ms, *, errors=0, generator="", unreachable=0):
    figures = {("/list", "p50"): ms}
    return Measured({"/list": 100}, {"/list": errors}, figures, unreachable, generator)


def in_turns(old, new, pairs=12):
    """Return what was found, and which side was run when; ``old``, ``new``: runs by number."""
    order = []

    def measure(side, seconds):
        order.append(side.name)
        runs = {"old": old, "new": new}[side.name]
        return runs(sum(name == side.name for name in order))

    sides = [checkouts.Side(name, None, name, None, 1, "") for name in ("old", "new")]
    found = comparing.in_turn(tuple(sides), Wanted(pairs=pairs), measure, lambda _: None)
    return found, "".join(name[0] for name in order)


def test_runs_alternate_so_that_a_drift_meets_both_and_end_when_it_can_be_told():
    found, order = in_turns(lambda n: measured(100 + n), lambda n: measured(150 + n))
    assert order == "onnoonnoonno"
    assert found.decision.outcome is Outcome.FAIL
    assert found.pairs == 6


def test_new_errors_fail_at_once_and_old_ones_are_no_measure():
    found, order = in_turns(lambda n: measured(1), lambda n: measured(1, errors=50))
    assert order == "on"
    assert found.decision.outcome is Outcome.FAIL
    assert found.decision.reasons[0].startswith("50% of the new build's answers are errors")
    with pytest.raises(CouldNotCompare, match="it is no measure"):
        in_turns(lambda n: measured(1, errors=50), lambda n: measured(1))


def test_a_dead_server_and_a_starved_generator_are_never_a_pass():
    with pytest.raises(CouldNotCompare, match="new build could not be reached"):
        in_turns(lambda n: measured(1), lambda n: measured(1, errors=100, unreachable=100))
    found, order = in_turns(
        lambda n: measured(1), lambda n: measured(1, generator="k6 was starved."), pairs=2
    )
    assert found.decision.outcome is Outcome.INCONCLUSIVE
    assert len(order) == 6
    assert found.notes == [
        "Left out: 3 pairs. k6 was starved.",
        "It ended after 0 pairs: as many as are wanted were left out.",
    ]


def sent(site, per_request, ms, stack=""):
    return counted.Counted(site, stack, per_request, ms, 1000.0)


def test_a_cause_names_statement_line_file_and_commit(repository):
    before = {"SELECT a": sent("shop.py:3 list", 1.0, 2.0), "SELECT b": sent("b.py:1 f", 1, 1)}
    after = {
        "SELECT a": sent("shop.py:3 list", 21.0, 2.0),
        "SELECT b": sent("b.py:1 f", 1.0, 1.05),
        "SELECT c": sent("helper.py:9 ask", 1.0, 3.0, stack="helper.py:9 ask\nshop.py:5 view"),
    }
    first, second = attribution.of_statements("/list", before, after, (), ("shop.py",), "HEAD~1")
    assert first.what == "more calls: 1.00 to 21.00 a request"
    assert (first.site, first.ms) == ("shop.py:3 list", 40.0)
    assert second.statement == "SELECT c"
    for cause in (first, second):
        assert cause.files == ("shop.py",)
        assert cause.commits == (f"{git(repository, 'rev-parse', '--short', 'HEAD')} Shop is two",)
    (repository / "shop.py").write_text("three")
    (now, _) = attribution.of_statements("/list", before, after, (), ("shop.py",), "HEAD~1")
    assert now.commits[0] == "not committed yet"


def test_a_key_that_hits_no_more_names_the_commits_of_the_key_first(repository):
    for name in ("shop/key.py", "shop/view.py", "docs.md"):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text("changed")
        git(repository, "add", name)
        git(repository, "commit", "--quiet", "-m", name)
    changed = ("docs.md", "shop/key.py", "shop/view.py")
    before = {"SELECT a": sent("shop/view.py:3 list", 0.01, 2.0)}
    after = {"SELECT a": sent("shop/view.py:3 list", 1.0, 2.0)}
    uses = CacheUse(), CacheUse()
    uses[0].add({"/list": (99, 1)})
    uses[1].add({"/list": (0, 100)})
    missed = fall("/list", *uses)
    assert missed == "not found in the cache: hits 99% to 0%"
    assert fall("/other", *uses) == ""
    (found,) = attribution.of_statements(
        "/list", before, after, (), changed, "HEAD~3", missed=missed
    )
    assert found.files == ("shop/key.py", "shop/view.py")
    assert [each.split(" ", 1)[1] for each in found.commits] == ["shop/key.py", "shop/view.py"]
    assert found.what.endswith("a request; 2 commits may be it, the likeliest first")


def test_time_in_python_names_changed_files_that_the_requests_executed(
    repository, tmp_path, monkeypatch
):
    """As the counts of requests do: an innocent change to another file was named first."""
    names = ("shop/serialiser.py", "shop/tasks.py", "docs.md")
    for name in names:
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text("def f():\n    return 1\n")
        git(repository, "add", name)
        git(repository, "commit", "--quiet", "-m", name)
    monkeypatch.setattr(counted, "counts", lambda side: {})
    sides = [checkouts.Side(name, None, name, tmp_path, 1, "") for name in ("old", "new")]
    nothing = {side.name: Counter() for side in sides}
    cached = {side.name: CacheUse() for side in sides}

    def causes():
        return attribution.attribute(["/list"], tuple(sides), nothing, cached, "HEAD~3")

    assert causes()[0].files == tuple(sorted(names))
    counts = Counts((), 200, 0, 0, 0, 0, (), {}, executed=("shop/serialiser.py",),
                    called=("shop/serialiser.py f",))  # fmt: skip
    executed.write(tmp_path / executed.FILE, {"/list?limit=100": counts})
    (cause,) = causes()
    assert cause.files == ("shop/serialiser.py",)
    assert [each.split(" ", 1)[1] for each in cause.commits] == ["shop/serialiser.py"]
    executed.write(tmp_path / executed.FILE, {"/list": replace(counts, executed=("other.py",))})
    assert causes()[0].what.endswith("no changed file was executed by the request")


def left_over():
    with databases.connected() as connection:
        known = connection.execute("SELECT datname FROM pg_database").fetchall()
    return [name for (name,) in known if name.startswith("perfops_against_")]


def test_both_builds_get_the_same_rows_and_nothing_stays_behind_after_ctrl_c(repository):
    fill = "{python} -c \"import psycopg,sys; psycopg.connect(sys.argv[1]).execute('SELECT 1')\""
    how = Recipe(prepare=(f"{fill} {{database_url}}",), migrate=(),
                 serve="{python} -m http.server --bind 127.0.0.1 {port}")  # fmt: skip
    seen = {}

    def interrupted():
        with checkouts.prepared("HEAD~1", how) as (old, new), serving.serving(old, how):
            seen["texts"] = [(side.folder / "shop.py").read_text() for side in (old, new)]
            seen["databases"] = left_over()
            seen["folder"] = old.folder
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert seen["texts"] == ["one", "two"]
    assert len(seen["databases"]) == 2
    assert left_over() == []
    assert not seen["folder"].exists()
    assert len(git(repository, "worktree", "list").splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "step"), [("INT", "install"), ("TERM", "prepare"), ("HUP", "migrate")]
)
def test_signals_at_any_step_leave_no_process_database_or_checkout(
    name, step, repository, tmp_path, monkeypatch, settings, capsys
):
    """The step has a child of its own, as installers do; CI sends a second signal soon after."""
    child = tmp_path / "child"
    stopping = f"sleep 600 & echo $! > {child}; kill -{name} {os.getpid()}; wait"
    usual = {"install": (), "prepare": (), "migrate": ()}
    settings.PERFOPS = {**settings.PERFOPS, "AGAINST": {**usual, step: [f"sh -c '{stopping}'"]}}
    dropped = []

    def drop(database, drop=databases.drop):
        os.kill(os.getpid(), signal.SIGTERM)
        dropped.append(database)
        drop(database)

    monkeypatch.setattr(databases, "drop", drop)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        call_command("check_budget", "--against", "HEAD~1")
    assert ended.value.code == 2
    assert "It was stopped" in capsys.readouterr().out
    assert len(dropped) == (0 if step == "install" else 2)
    assert left_over() == []
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    assert signal.getsignal(signal.SIGTERM) is before
    # Killed, but listed until whoever is its parent now has read its end.
    with suppress(psutil.NoSuchProcess):
        orphan = psutil.Process(int(child.read_text()))
        while orphan.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)


def test_a_server_that_nobody_waits_for_is_killed_at_once(tmp_path, monkeypatch):
    """Who cancels a job kills us ten seconds later: no server may take its time to end."""
    script = "import signal; signal.signal(15, signal.SIG_IGN); signal.pause()"
    side = checkouts.Side("old", tmp_path, "none", tmp_path, 1, sys.executable)
    monkeypatch.setattr(targets, "unreachable", lambda url: None)
    started = []

    def popen(*words, popen=subprocess.Popen, **options):
        started.append(popen(*words, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", popen)
    # Waiting for it to end by itself would take as long as this test may.
    monkeypatch.setattr(serving, "_STOP_S", 3600.0)
    how = Recipe(serve=f"{{python}} -c '{script}'")
    with pytest.raises(KeyboardInterrupt), serving.serving(side, how):
        raise KeyboardInterrupt
    assert started[0].returncode == -signal.SIGKILL


def test_what_can_not_be_prepared_says_which_command_and_its_last_words(repository):
    how = Recipe(install=("{python} -c \"raise SystemExit('no disk')\"",))
    with (
        pytest.raises(CouldNotCompare, match=r"of the old build ended with 1:\nno disk"),
        checkouts.prepared("HEAD~1", how),
    ):
        raise AssertionError("it was prepared")


@pytest.mark.parametrize("lock", [None, "same", "other"])
def test_an_environment_is_installed_only_where_the_lock_file_is_another(repository, lock):
    for content in ("same", lock):
        if lock is not None:
            (repository / "uv.lock").write_text(content)
            git(repository, "add", "uv.lock")
            git(repository, "commit", "--quiet", "--allow-empty", "-m", "lock")
    how = Recipe(install=("touch installed",), python="own/python", prepare=(), migrate=())
    ref = "HEAD~1"
    with checkouts.prepared(ref, how) as (old, _):
        prepared = (old.folder / "installed").exists(), old.python == sys.executable
    with bisecting.checkout(git(repository, "rev-parse", ref), how) as side:
        tried = (side.folder / "installed").exists(), side.python == sys.executable
    assert prepared == tried == (lock != "same", lock == "same")


def test_a_commit_that_is_not_there_is_not_told(capsys, repository):
    with pytest.raises(SystemExit) as ended:
        call_command("check_budget", "--against", "nowhere")
    assert ended.value.code == 2
    assert "nowhere" in capsys.readouterr().out


def test_cpu_of_a_server_is_that_of_all_its_processes_ended_ones_too(tmp_path, monkeypatch):
    """A worker that has ended, as gunicorn replaces them, must not take its CPU with it."""
    burn = "import time, sys\nwhile time.process_time() < 0.1: pass\n"
    (tmp_path / "burn.py").write_text(burn)
    (tmp_path / "serve.py").write_text(
        "import subprocess, sys, time, pathlib\n"
        "subprocess.run([sys.executable, 'burn.py'])\n"
        "alive = subprocess.Popen([sys.executable, '-c', open('burn.py').read() "
        "+ 'print(flush=True)\\ntime.sleep(600)'], stdout=-1)\n"
        "alive.stdout.readline()\n"
        "pathlib.Path('burnt').touch()\n"
        "time.sleep(600)\n"
    )
    monkeypatch.setattr(targets, "unreachable", lambda url: None)
    side = checkouts.Side("old", tmp_path, "none", tmp_path, 1, sys.executable)
    with serving.serving(side, Recipe(serve="{python} serve.py")) as server:
        while not (tmp_path / "burnt").exists():
            time.sleep(0.05)
        # The clock's tick is 10 ms.
        assert server.cpu_s() >= 2 * 0.1 - 0.03


def test_cpu_is_a_figure_beside_the_times_and_names_what_the_routes_send(repository, monkeypatch):
    was = {("/list", "p50"): 10.0, ("all routes", "CPU"): 2.0}
    now = {("/list", "p50"): 10.0, ("all routes", "CPU"): 2.4}

    def run(figures):
        return lambda n: Measured({"/list": 100}, {}, figures, 0, "")

    found, _ = in_turns(run(was), run(now))
    assert found.decision.outcome is Outcome.FAIL
    assert found.decision.reasons[0].startswith("CPU of all routes: +20%")
    rows = [("SELECT a", "shop.py:3", "f", "", 100.0, 100.0)]
    more = [("SELECT a", "shop.py:3", "f", "", 900.0, 900.0)]
    counts = iter([{"/list": rows}, {"/list": more}])
    monkeypatch.setattr(counted, "counts", lambda side: next(counts))
    assert with_cpu(Measured({"/list": 50}, {}, {}, 0, ""), 0.1).figures["all routes", "CPU"] == 2
    sides = [checkouts.Side(name, None, name, None, 1, "") for name in ("old", "new")]
    requests = {"old": {"/list": 100}, "new": {"/list": 100}}
    cached = {"old": CacheUse(), "new": CacheUse()}
    (cause,) = attribution.attribute(
        ["all routes", "/list"], tuple(sides), requests, cached, "HEAD~1"
    )
    assert (cause.route, cause.site) == ("/list", "shop.py:3 f")


def test_what_is_left_open_says_how_many_more_pairs_it_takes():
    assert "takes about 20 pairs, 8 more than were run" in against_report.more_pairs(20, 12)
    # 12 pairs took 6 minutes: 20 take 10, and a tenth more.
    said = against_report.more_pairs(20, 12, 360)
    assert said.endswith("8 more than were run: --pairs 20 --minutes 11")
    assert against_report.more_pairs(2139, 8).endswith("run it when this one is quieter.")
    assert against_report.more_pairs(12, 12).endswith("as many as were run: run it again.")


def test_what_could_be_told_is_said_beside_what_could_not():
    quiet = Series("/list", "CPU", (10.0,) * 20, (10.0,) * 20)
    loud = Series("/list", "p95", tuple(range(1, 21)), tuple(range(20, 0, -1)))
    decision = in_turn([loud, quiet])
    found = against_report.as_report(Compared(decision, 20), "This build against HEAD")
    assert found.code == 2
    assert "1 of 2 figures would have shown 10%, and did not: CPU of /list." in found.reasons
    # Where nothing could be told, or all, there is no such sentence.
    for series in (loud, quiet):
        alone = against_report.as_report(Compared(in_turn([series]), 20), "This build")
        assert not any("did not" in reason for reason in alone.reasons)


@pytest.mark.parametrize("form", ["text", "json", "markdown", "junit"])
def test_the_report_names_the_cause_in_every_format(form, capsys, monkeypatch):
    decision = in_turn([Series("/list", "p95", (10.0,) * 6, (20.0,) * 6)])
    cause = Cause(
        "/list", "more calls: 1.00 to 21.00 a request", "SELECT a", "shop.py:3 list", 40.0,
        ("shop.py",), ("abc1234 Shop is two",),
    )  # fmt: skip
    monkeypatch.setattr(comparing, "compare", lambda *_: Compared(decision, 6, [], [cause]))
    with pytest.raises(SystemExit) as ended:
        call_command("check_budget", "--against", "HEAD~1", "--format", form)
    assert ended.value.code == 1
    out = capsys.readouterr().out
    for part in ("SELECT a", "shop.py:3 list", "abc1234 Shop is two", "p95 of /list: +100%"):
        assert part in out
    if form == "json":
        assert json.loads(out)["causes"][0]["ms"] == 40.0
