"""check_budget --bisect: the first bad commit, and clear words where there is none."""

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as some

from perfops.budgets.against import bisecting
from perfops.budgets.against.attribution import Cause
from perfops.budgets.against.bisecting import Bisection, first_bad
from perfops.budgets.against.databases import CouldNotCompare
from tests.perfops.repository import git


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Four commits; the working directory is theirs. Returns their ids, oldest first."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for number in range(4):
        (tmp_path / "shop.py").write_text(str(number))
        git(tmp_path, "add", "shop.py")
        git(tmp_path, "commit", "--quiet", "-m", f"Shop is {number}")
    monkeypatch.chdir(tmp_path)
    return git(tmp_path, "rev-list", "--reverse", "HEAD").split()


@given(some.integers(1, 40), some.data())
def test_the_first_bad_one_is_among_the_suspects_and_alone_where_all_can_be_tested(number, data):
    first = data.draw(some.integers(0, number - 1))
    broken = data.draw(some.sets(some.integers(0, number - 1)))
    asked = []

    def test(commit):
        asked.append(commit)
        return None if int(commit) in broken else int(commit) >= first

    commits = [str(each) for each in range(number)]
    suspects = [int(each) for each in first_bad(commits, test)]
    assert first in suspects
    assert {*suspects[:-1]} <= broken
    assert len(asked) == len({*asked})
    if not broken:
        assert suspects == [first]
        assert len(asked) <= number.bit_length()


def test_what_can_not_be_bisected_is_said(shop, tmp_path):
    between = bisecting.commits_between
    assert between(shop[0], "HEAD") == (shop[0], shop[1:])
    with pytest.raises(CouldNotCompare, match=r"no commit nowhere\. Branches .*: main\."):
        between("nowhere", "HEAD")
    with pytest.raises(CouldNotCompare, match="is not an ancestor of"):
        between("HEAD", shop[0])
    with pytest.raises(CouldNotCompare, match="are one commit"):
        between("HEAD", "main")
    (tmp_path / "shop.py").write_text("more")
    with pytest.raises(CouldNotCompare, match="has changes"):
        between(shop[0], "HEAD")


def data(*names, causes=()):
    budgets = [{"name": name, "outcome": "violated"} for name in names]
    return {"exit_code": int(bool(names)), "budgets": budgets, "causes": list(causes)}


def test_a_good_that_fails_its_own_counts_is_no_measure(monkeypatch):
    said = iter([data(), data("statements of /a")])
    monkeypatch.setattr(Bisection, "counted", lambda *_, **__: next(said))
    with pytest.raises(CouldNotCompare, match="GOOD fails already"):
        Bisection(None, "", None, "", bisecting.Path()).count_good()


def test_counts_lead_to_the_commit_its_statement_and_its_files(shop, monkeypatch):
    cause = {"route": "/a", "what": "more calls", "statement": "SELECT a", "site": "shop.py:1 f",
             "ms": None, "files": [], "commits": []}  # fmt: skip
    bad = data("statements of /a", causes=[cause])
    # Another count got worse before: it is not what is looked for.
    reports = dict(zip(shop[1:], (data("rows of /b"), bad, bad), strict=True))
    monkeypatch.setattr(Bisection, "counts_of", lambda self, commit: reports[commit])
    work = Bisection(None, "", None, "", bisecting.Path())
    found = bisecting._by_counts(work, shop[1:], bad, lambda _: None)
    assert found.suspects == [shop[2]]
    commits = (f"{shop[2][:7]} Shop is 2",)
    assert found.causes == [
        Cause("/a", "more calls", "SELECT a", "shop.py:1 f", None, ("shop.py",), commits)
    ]


def test_a_bad_that_does_not_fail_is_said(shop, monkeypatch):
    def away(*_):
        raise CouldNotCompare("no server")

    monkeypatch.setattr(Bisection, "compared", away)
    work = Bisection(None, "", None, "", bisecting.Path())
    with pytest.raises(CouldNotCompare, match="BAD does not fail"):
        bisecting._in_turn(work, shop[1:], None, lambda _: None)


@pytest.mark.django_db
def test_the_command_ends_with_2_where_it_can_not_tell(shop, capsys):
    with pytest.raises(SystemExit) as ended:
        call_command("check_budget", "--bisect", "nowhere", "HEAD")
    assert ended.value.code == 2
    assert "There is no commit nowhere." in capsys.readouterr().out
