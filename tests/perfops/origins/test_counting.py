"""What is counted: every way to send a statement, each from its line."""

import inspect
import threading
from contextvars import copy_context
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.utils import ProgrammingError
from django.template import Context, Engine

from perfops.origins import ledger, scope, wrapper
from perfops.origins.callers import caller, source_of
from perfops.origins.scope import Scope

HERE = "tests/perfops/origins/test_counting.py"


def line():
    """Return the line before the caller's as a call site names it."""
    return f"{HERE}:{inspect.currentframe().f_back.f_lineno - 1}"


def raw(sql, params=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def only(rows):
    ((sent, count),) = rows.items()
    return sent, count


def test_an_orm_statement_is_counted_at_the_line_that_asks(counted):
    User.objects.create(username="ada")
    for _ in range(3):
        assert list(User.objects.filter(username="ada"))
        here = line()
    sent, count = only(counted("SELECT"))
    assert sent.site.line == here
    assert sent.site.function == "test_an_orm_statement_is_counted_at_the_line_that_asks"
    assert "%s" in sent.text
    assert (count.calls, count.rows) == (3, 3)
    assert count.seconds > 0


def test_two_lines_that_send_the_same_statement_are_told_apart(counted):
    User.objects.filter(pk=1).exists()
    first = line()
    for _ in range(2):
        User.objects.filter(pk=1).exists()
        second = line()
    assert {sent.site.line: count.calls for sent, count in counted().items()} == {
        first: 1,
        second: 2,
    }


def test_raw_sql_counts_without_its_values(counted):
    raw("SELECT %s::int + 1", [41])
    here = line()
    sent, count = only(counted())
    assert (sent.text, count.calls) == ("SELECT %s::int + 1", 1)
    # The line that sends it, not the one that asked for it to be sent.
    assert sent.site.function == "raw"
    assert sent.site.line != here


def test_executemany_counts_each_set_even_from_an_iterator(counted):
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE auth_user SET first_name = %s", [["a"], ["b"]])
        cursor.executemany("UPDATE auth_user SET first_name = %s", ([x] for x in "abc"))
    assert sum(count.calls for count in counted().values()) == 5


def test_ten_requests_that_repeat_a_statement_are_told_apart_from_a_hundred(counted):
    """And one executemany is asked once, however many sets it has."""
    for number in range(100):
        request = scope.Scope("request", lambda: "GET /rare")
        token = scope.begin(request)
        with connection.cursor() as cursor:
            for _ in range(20 if number % 10 == 0 else 1):
                cursor.execute("SELECT 1 AS rarely")
            cursor.executemany("SELECT %s::int AS at_once", [(n,) for n in range(20)])
        scope.end(request, token)
    (rare,) = counted("rarely").values()
    assert (rare.executions, rare.calls, rare.most) == (100, 290, 20)
    assert (rare.repeated_executions, rare.repeated_calls) == (10, 200)
    (many,) = counted("at_once").values()
    assert (many.calls, many.repeated_executions, many.repeated_calls) == (2000, 0, 0)


def test_a_cursor_on_the_server_is_a_statement_of_its_own(counted, settings):
    User.objects.create(username="ada")
    was = connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]
    connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = False
    try:
        assert len(list(User.objects.iterator())) == 1
    finally:
        connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = was
    sent, count = only(counted("SELECT"))
    assert sent.text.startswith("DECLARE CURSOR FOR SELECT")
    assert count.calls == 1


def test_a_statement_that_fails_is_not_counted_as_postgresql_does_not(counted):
    from django.db import transaction

    with pytest.raises(ProgrammingError), transaction.atomic():
        raw("SELECT nothing_like_this")
    assert counted("nothing_like_this") == {}


def test_statements_of_perfops_that_look_are_not_counted(counted):
    raw("/* perfops */ SELECT 1")
    assert counted() == {}


def test_another_wrapper_of_the_project_is_not_taken_for_the_caller(counted):
    def another(execute, *arguments):
        return execute(*arguments)

    with connection.execute_wrapper(another):
        connection.execute_wrappers.reverse()
        raw("SELECT 7")
        connection.execute_wrappers.reverse()
    assert only(counted())[0].site.function == "raw"


def test_the_call_site_is_the_caller_of_a_declared_helper_with_its_source(counted, settings):
    settings.PERFOPS = {**settings.PERFOPS, "HELPER_MODULES": ["tests.perfops.origins.helping"]}
    path = str(Path(__file__).with_name("helping.py"))
    made = {"run": connection.cursor().execute}
    exec(compile("def page(sql):\n    return run(sql)\n", path, "exec"), made)
    made["page"]("SELECT 1 AS by_helper")
    here = line()
    sent, _ = only(counted("by_helper"))
    assert sent.site.line == here
    number = int(here.rpartition(":")[2])
    assert (number, '    made["page"]("SELECT 1 AS by_helper")') in source_of(here)


def test_the_stack_has_the_frames_of_the_project_without_those_of_helpers(counted, settings):
    settings.PERFOPS = {**settings.PERFOPS, "HELPER_MODULES": ["tests.perfops.origins.deeper"]}
    path = str(Path(__file__).with_name("deeper.py"))
    made = {"run": raw}
    exec(compile("def page(sql):\n    return run(sql)\n", path, "exec"), made)
    made["page"]("SELECT 1 AS by_stack")
    here = line()
    _, count = only(counted("by_stack"))
    inner, outer, *_ = count.stack.splitlines()
    assert inner.endswith(" raw")
    assert outer.startswith(f"{here} test_the_stack_has")
    assert "deeper.py" not in count.stack
    # Once in a process is enough.
    connection.cursor().execute("SELECT 1 AS by_stack")
    assert [total.stack for total in counted("by_stack").values()].count("") == 1


def test_rows_that_a_template_reads_are_asked_for_by_its_line(counted):
    templates = Path(__file__).with_name("shop") / "templates"
    rows = User.objects.filter(username="nobody")
    page = Engine(dirs=[str(templates)]).get_template("entries.html")
    page.render(Context({"object_list": rows}))
    here = line()
    sent, count = only(counted("SELECT"))
    assert sent.site == ("tests/perfops/origins/shop/templates/entries.html:2", "template")
    # The view that handed them over is on the stack.
    assert count.stack.splitlines()[0].startswith(f"{here} ")


@pytest.mark.parametrize("site", ["", "../../etc/passwd:1", "/etc/passwd:1", "gone.py:3", "x.py"])
def test_no_source_is_shown_of_what_is_not_the_projects(site):
    assert source_of(site) == []


def test_what_no_line_of_the_project_asked_for_has_no_line():
    assert caller(None) is None


def test_a_failure_of_the_counting_never_reaches_the_caller(counted, monkeypatch, caplog):
    monkeypatch.setattr(wrapper, "_failed", False)
    monkeypatch.setattr(wrapper, "caller", lambda frame: 1 / 0)
    raw("SELECT 1")
    raw("SELECT 1")
    assert [record.message for record in caplog.records] == [
        "statements can't be counted; this is said once"
    ]


def test_every_call_of_many_threads_is_counted(counted):
    """One scope, written by four threads: no count is lost, whoever flushes meanwhile."""
    ours = Scope("task", lambda: "shared")
    token = scope.begin(ours)
    contexts = [copy_context() for _ in range(4)]
    count = wrapper.counting("default")

    class Cursor:
        rowcount = 1

    class Wrapped:
        cursor = Cursor()

    def send():
        for _ in range(2000):
            count(lambda *_: None, "SELECT in_threads", None, False, {"cursor": Wrapped()})

    threads = [threading.Thread(target=context.run, args=[send]) for context in contexts]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        scope.tell_all(ended=False)
    scope.end(ours, token)
    (each,) = counted("in_threads").values()
    assert (each.calls, each.rows, each.executions, each.most) == (8000, 8000, 1, 8000)


def test_past_the_bound_statements_share_one_bucket_and_it_is_said(counted, settings):
    settings.PERFOPS = {**settings.PERFOPS, "ORIGIN_TEMPLATES": 5}
    for number in range(20):
        raw(f"SELECT {number}")
    rows = counted()
    assert len(rows) == 6
    assert sum(count.calls for count in rows.values()) == 20
    assert sum(count.calls for sent, count in rows.items() if sent.text == "other") == 15
    assert ledger.spilled() == 15


def test_past_the_bound_of_rows_counts_go_into_the_bucket_and_none_is_lost(counted, settings):
    settings.PERFOPS = {**settings.PERFOPS, "ORIGIN_ROWS": 3}
    for number in range(10):
        raw(f"SELECT {number}")
    rows = counted()
    assert len(rows) == 4
    assert sum(count.calls for count in rows.values()) == 10


def test_a_statement_that_was_idle_for_an_hour_makes_room(counted, settings, monkeypatch):
    settings.PERFOPS = {**settings.PERFOPS, "ORIGIN_TEMPLATES": 1}
    raw("SELECT 1")
    monkeypatch.setattr(ledger, "_IDLE_S", 0.0)
    raw("SELECT 2")
    assert {sent.text for sent in counted()} == {"SELECT 1", "SELECT 2"}
