"""Of the commits that touched a file, those that changed the lines that cost more are first."""

import pytest

from perfops.budgets.against import attribution, blame, function_lines
from tests.perfops.repository import git

SOURCE = '''"""A shop."""

LIMIT = 5


def listed(n):
    @cached
    def compute():
        return [row
                for row in ask(n)]

    return compute()


class Order:
    def total(self):
        return sum(each for each in self.prices)


def other():
    return 1
'''


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")

    def commit(subject, *changes):
        text = file.read_text() if file.exists() else SOURCE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        file.write_text(text)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "--quiet", "-m", subject)

    file = tmp_path / "shop.py"
    commit("base")
    git(tmp_path, "tag", "base")
    return commit


def subjects(found):
    return [each.partition(" ")[2] for each in found]


@pytest.mark.parametrize(
    ("function", "lines"),
    [
        ("listed", (6, 12)),
        ("listed.<locals>.compute", (7, 10)),
        ("listed.<locals>.compute.<locals>.<listcomp>", (7, 10)),
        ("Order.total", (16, 17)),
        ("Order.total.<locals>.<genexpr>", (16, 17)),
        ("<module>", None),
        ("compute", None),
        ("gone", None),
    ],
)
def test_the_lines_of_a_function_are_known_by_its_qualified_name(function, lines):
    assert function_lines.lines_of(SOURCE, function) == lines


def test_the_commit_of_the_line_is_first_then_of_the_function_then_what_was_executed(shop):
    shop("line", ("for row in ask(n)]", "for row in ask_each(n)]"))
    shop("function", ("def compute():", "def compute(*_):"))
    shop("executed", ("sum(each", "min(each"))
    shop("other", ("return 1", "return 2"))
    shop("constant", ("LIMIT = 5", "LIMIT = 6"))
    site, executed = "shop.py:10 listed.<locals>.compute", ["shop.py Order.total", "else.py f"]
    found = attribution.commits(("shop.py",), "base", site, executed)
    assert subjects(found) == ["line", "function", "executed", "constant", "other"]
    found = attribution.commits(("shop.py",), "base", "shop.py Order.total")
    assert subjects(found) == ["executed", "constant", "other", "function", "line"]
    assert subjects(attribution.ranked(("shop.py",), "base", executed))[0] == "executed"


def test_a_line_of_long_ago_and_a_site_that_is_no_file_leave_the_newest_first(shop):
    shop("older", ("LIMIT = 5", "LIMIT = 6"))
    shop("newer", ("LIMIT = 6", "LIMIT = 7"))
    for site in ("shop.py:10 listed", "gone.py:1 f", "shop.py:999 f", "shop.py gone", "", "x"):
        found = attribution.commits(("shop.py",), "base", site)
        assert subjects(found) == ["newer", "older"]


def test_what_is_not_committed_is_blamed_too_and_the_likeliest_is_kept_of_many(shop, tmp_path):
    shop("seed", ("for row in ask(n)]", "for row in ask_each(n)]"))
    for number in range(5, 12):
        shop(f"limit {number}", (f"LIMIT = {number}", f"LIMIT = {number + 1}"))
    site = "shop.py:10 listed.<locals>.compute"
    assert subjects(attribution.commits(("shop.py",), "base", site))[:2] == ["seed", "limit 11"]
    file = tmp_path / "shop.py"
    file.write_text(file.read_text().replace("return 1", "return 2"))
    found = attribution.commits(("shop.py",), "base", site)
    assert (found[0].partition(" ")[2], found[1]) == ("seed", blame.UNCOMMITTED)
    file.write_text(file.read_text().replace("ask_each", "ask_all"))
    assert attribution.commits(("shop.py",), "base", site)[0] == blame.UNCOMMITTED
