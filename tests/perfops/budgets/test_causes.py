"""Why a route costs more, from its counts: one cause for one change, and no file at random."""

import msgspec
import pytest

from perfops.budgets.deterministic import causes
from perfops.budgets.deterministic.counts import Counts, StatementCalls

USERS = StatementCalls("SELECT users", 1, "shop/views.py:3 users", through=("shop/views.py",))
GROUPS = StatementCalls("SELECT groups", 50, "shop/views.py:5 users", through=("shop/views.py",))
ORM = "db/models/query.py get"
EXECUTED = ("shop/names.py", "shop/views.py")


class Diff(causes.Diff):
    """These files changed, without a repository."""

    def __init__(self, *changed):
        self.changed, self.ref = changed, ""


def counts(*sent, steps=10_000, functions=None, again=None, sent_again=()):
    statements = sum(each.calls for each in sent)
    return Counts(
        ("/",), 200, statements, 1, 1, None, sent, {}, steps=steps, executed=EXECUTED,
        again=statements if again is None else again, functions=functions or {ORM: 5000},
        sent_again=sent_again,
    )  # fmt: skip


BEFORE = counts(USERS)


def test_an_n_plus_one_is_one_cause_that_explains_the_instructions_and_the_second_request():
    now = counts(USERS, GROUPS, steps=90_000, functions={ORM: 80_000, "shop/views.py users": 900})
    (found,) = causes.of_route("GET /", BEFORE, now, Diff("docs/a.md", "shop/views.py"))
    assert found.what == (
        "more calls: 0 to 50 a request; this explains 90,000 instructions of Python instead of"
        " 10,000"
    )
    assert (found.statement, found.files) == ("SELECT groups", ("shop/views.py",))


def test_a_slower_function_beside_an_n_plus_one_is_a_cause_of_its_own():
    functions = {ORM: 80_000, "shop/names.py names": 9000}
    now = counts(USERS, GROUPS, steps=99_000, functions=functions)
    first, second = causes.of_route("GET /", BEFORE, now, Diff("shop/names.py", "shop/views.py"))
    assert "explains" not in first.what
    assert (second.statement, second.site) == ("", "shop/names.py names")


def test_what_is_executed_for_each_statement_is_explained_by_them():
    before = counts(USERS, functions={ORM: 5000, "shop/names.py log": 60})
    functions = {ORM: 80_000, "shop/names.py log": 3060, "shop/names.py format": 1900}
    now = counts(USERS, GROUPS, steps=99_000, functions=functions)
    (found,) = causes.of_route("GET /", before, now, Diff("shop/names.py", "shop/views.py"))
    assert "this explains 99,000 instructions" in found.what


def test_a_cache_that_is_not_hit_any_more_is_a_cause_beside_an_n_plus_one():
    now = counts(USERS, GROUPS, again=51, sent_again=(USERS, GROUPS))
    found = causes.of_route("GET /", counts(USERS, again=0), now, Diff())
    assert [each.what.partition(":")[0] for each in found] == [
        "more calls", "not found in the cache",
    ]  # fmt: skip


def test_a_key_is_put_down_to_where_the_cache_is_declared_and_not_to_who_sends_the_statement():
    now = msgspec.structs.replace(
        counts(USERS, again=1, sent_again=(USERS,)), region="users", declared_in="shop/names.py"
    )
    before = counts(USERS, again=0)
    (found,) = causes.of_route("GET /", before, now, Diff("shop/views.py", "shop/names.py"))
    assert found.files == ("shop/names.py", "shop/views.py")
    assert found.what == (
        "not found in the cache: a second request sends 1 statement instead of 0; cache of region "
        "users: a hit before, a miss now, declared in shop/names.py"
    )
    # Nobody says where the cache is declared: what was executed, and did not send it.
    now = msgspec.structs.replace(now, region="", declared_in="")
    (found,) = causes.of_route("GET /", before, now, Diff("shop/views.py", "shop/names.py"))
    assert found.files == ("shop/names.py", "shop/views.py")


@pytest.mark.parametrize(
    ("changed", "files"),
    [
        (("docs/a.md", "shop/views.py"), ("shop/views.py",)),
        # Executed, though the statement is not sent from there: a select_related that is gone.
        (("docs/a.md", "shop/names.py"), ("shop/names.py",)),
        (("docs/a.md", "shop/other.py"), ()),
    ],
)
@pytest.mark.parametrize(
    "now",
    [
        counts(USERS, GROUPS),
        counts(USERS, steps=20_000, functions={ORM: 15_000}),
    ],
)
def test_only_changed_files_that_the_request_executed_are_named(changed, files, now):
    (found,) = causes.of_route("GET /", BEFORE, now, Diff(*changed))
    assert found.files == files
    assert ("no changed file was executed" in found.what) is (files == ())
