"""Growth that a change of the committed file of counts states: as much of it fails nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from perfops.budgets import waivers
from perfops.budgets.against import committed_growth
from perfops.budgets.against.committed_growth import CommittedGrowth
from perfops.budgets.deterministic import comparing
from perfops.budgets.deterministic.counts import Baseline, Counts, written
from tests.perfops.repository import git

FILE = Path("counts.json")
EXACT = ("statements", "again", "rows")
WITH_SLACK = ("blocks", "bytes", "steps")
AT = ("abc123 Show followers",)


def counts(**values):
    usual = {"statements": 1, "rows": 9, "bytes": 900, "blocks": 50, "again": 0, "steps": 9_000}
    given = {"paths": ("/a",), "status": 200, "sent": (), "tables": {"user": 3}} | usual | values
    return Counts(**given)


def file(python="3.13", **values):
    return Baseline({"/a": counts(**values)}, python=python)


def name_of(what):
    return f"{comparing.NAMES.get(what, what)} of /a"


def report(before, now):
    """What a build writes whose counts were ``before`` in the other one."""
    rows = [
        {"name": f"{each.what} of {each.route}", "outcome": each.outcome, "target": each.before,
         "threshold": each.most, "value": each.now, "reason": each.reason}
        for each in comparing.compare({"/a": before}, {"/a": now})
    ]  # fmt: skip
    return {"budgets": rows, "causes": [{"route": "/a"}, {"route": "/b"}]}


def outcome(data, what):
    (found,) = [each for each in data["budgets"] if each["name"] == name_of(what)]
    return found["outcome"]


def growth_of(what, before, now):
    growth = committed_growth.stated(file(**{what: before}), file(**{what: now}))
    return CommittedGrowth(FILE, growth, AT)


numbers = some.integers(0, 5_000)


@given(some.sampled_from([*EXACT, *WITH_SLACK]), numbers, numbers, numbers, numbers)
def test_as_much_as_the_file_states_is_excused_and_no_more(what, before, stated, was, grew):
    data = report(counts(**{what: was}), counts(**{what: was + grew}))
    growth = growth_of(what, before, before + stated)
    after = committed_growth.excused(data, growth)
    most = comparing.most_of(what, was + stated)
    assert outcome(after, what) == ("met" if was + grew <= most else "violated")
    is_excused = outcome(data, what) != outcome(after, what)
    said = committed_growth.reasons(data, after, growth)
    line = f"{name_of(what)} ({was:,} to {was + grew:,})"
    excused = f"Excused by the change of counts.json (abc123 Show followers): {line}."
    assert said == ([excused] if is_excused else [])


@given(some.sampled_from(EXACT), numbers, some.integers(-5_000, 0), some.integers(1, 9))
def test_a_file_that_says_less_or_the_same_excuses_nothing(what, before, change, grew):
    data = report(counts(), counts(**{what: getattr(counts(), what) + grew}))
    growth = growth_of(what, before, before + change)
    assert committed_growth.excused(data, growth)["budgets"] == data["budgets"]


def test_one_count_excuses_no_other_and_what_is_beyond_is_said():
    same = "The same statements are sent."
    data = report(counts(), counts(statements=4, rows=30))
    after = committed_growth.excused(data, growth_of("statements", 1, 3))
    assert [each["reason"] for each in after["budgets"] if each["outcome"] == "violated"] == [
        f"counts.json was changed from 1 to 3, which excuses 3 at most. {same}",
        same,
    ]
    assert after["causes"] == [{"route": "/a"}]
    after = committed_growth.excused(
        report(counts(), counts(statements=3)), growth_of("statements", 1, 3)
    )
    assert after["causes"] == []
    (row,) = [each for each in after["budgets"] if each["name"] == "statements of /a"]
    assert (row["threshold"], row["reason"]) == (3, "Excused: counts.json was changed from 1 to 3.")


@pytest.mark.parametrize("other", [{"tables": {"user": 9}}, {"paths": ("/b",)}, {"status": 404}])
def test_a_file_over_other_rows_paths_or_answers_states_nothing(other):
    before, now = file(), file(statements=9, **other)
    assert committed_growth.stated(before, now) == {}


def test_a_new_route_and_instructions_of_another_python_state_nothing():
    assert committed_growth.stated(Baseline({}), file()) == {}
    assert committed_growth.stated(file(), file(python="3.14", steps=90_000)) == {}
    assert [*committed_growth.stated(file(), file(steps=90_000))] == [name_of("steps")]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A repository without the file, then with 1 statement, then with 3; the working directory."""
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "Empty")
    for number in (1, 3):
        FILE.write_bytes(written({"/a": counts(statements=number)}))
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "--quiet", "-m", f"Send {number}")
    return tmp_path


def test_growth_is_that_between_two_commits_of_the_file(shop):
    found = committed_growth.between(FILE, "HEAD^", "HEAD")
    its = found.by_name["statements of /a"]
    assert (its.before, its.now, found.note) == (1, 3, "")
    assert found.commits == (f"{git(shop, 'rev-parse', '--short', 'HEAD')} Send 3",)
    assert committed_growth.between(shop / FILE, "HEAD^", "HEAD") == found
    for same in (("HEAD", "HEAD"), ("HEAD^^", "HEAD"), ("HEAD", "HEAD^")):
        assert committed_growth.between(FILE, *same).by_name == {}


def test_what_is_not_committed_and_what_can_not_be_read_excuses_nothing_and_says_so(shop):
    FILE.write_bytes(written({"/a": counts(statements=9)}))
    found = committed_growth.between(FILE, "HEAD^", "HEAD")
    assert found.by_name["statements of /a"].now == 3
    assert (
        found.note
        == "What counts.json says is not committed yet, and excuses nothing before it is."
    )
    data = report(counts(), counts())
    assert committed_growth.reasons(data, data, found) == [found.note]
    FILE.write_text("{}")
    git(shop, "commit", "--quiet", "-am", "Broken")
    found = committed_growth.between(FILE, "HEAD^", "HEAD")
    assert found.by_name == {}
    assert found.note.startswith(
        "The change of counts.json excuses nothing: it is no file of counts"
    )


def test_waivers_know_every_count():
    every = {comparing.NAMES.get(what, what) for what in (*EXACT, *WITH_SLACK)}
    assert {*waivers.COUNTS} == every
    for what in every:
        assert waivers.figure_and_route(f"{what} of /a of b") == (what, "/a of b")
    assert waivers.figure_and_route("p95 latency of /a") == ("", "")
