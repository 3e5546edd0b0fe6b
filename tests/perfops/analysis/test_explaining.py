"""Plans are asked of a real database, safely, and watched for changes."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from perfops.analysis.advisors import plan_changes
from perfops.analysis.collectors import difference, origins
from perfops.analysis.plans import explain, tree
from perfops.analysis.plans import watch as plans
from perfops.analysis.plans.explain import NoPlan
from perfops.conf import Conf
from perfops.database import connections as session
from perfops.models import QueryOrigin, QueryPlan, QueryTemplate
from perfops.origins import store
from perfops.tasks import watch_plans
from tests.perfops.analysis.test_snapshots import look

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


BY_KIND_INDEX = "CREATE INDEX parts_kind ON parts (kind)"


@pytest.fixture
def parts():
    """A table with an index, 2000 rows, and statistics."""
    run("CREATE TABLE parts (id int PRIMARY KEY, kind int, name text)")
    run("INSERT INTO parts SELECT n, n %% 500, 'x' FROM generate_series(1, 2000) AS n", [])
    run(BY_KIND_INDEX)
    run("ANALYZE parts")
    yield
    run("DROP TABLE parts")


def run(sql, params=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


BY_KIND = "SELECT * FROM parts WHERE kind = %s"


@pytest.fixture
def template(parts):
    made = QueryTemplate.objects.create(
        id=store.key("default", BY_KIND), database="default", text=BY_KIND, queryids=["7"],
        first_seen_at=timezone.now(),
    )  # fmt: skip
    QueryOrigin.objects.create(
        template=made, kind="request", name="GET /", at=timezone.now(), calls=9, total_ms=5.0,
        rows=4, executions=3, max_calls_per_execution=3,
    )  # fmt: skip
    return made


def kinds(plan):
    return [node.kind for _, node in tree.read(plan).walk()]


def test_a_generic_plan_needs_no_parameters(template):
    found = plans.explain_query(template)
    assert "Index" in kinds(found.plan)[0] or "Bitmap" in kinds(found.plan)[0]
    assert "generic" in found.how


def test_with_sampled_parameters_it_is_the_plan_of_those(template):
    template.sample = [["int", "7"]]
    found = plans.explain_query(template)
    conditions = [c for _, node in tree.read(found.plan).walk() for c in node.conditions]
    assert any("kind = 7" in text for _, text in conditions)


def test_analysing_runs_it_and_says_where_the_time_is(template):
    template.sample = [["int", "7"]]
    found = plans.explain_query(template, analyse=True)
    root = tree.read(found.plan)
    assert root.rows == 4
    assert root.ms is not None
    assert root.self_ms <= root.ms
    assert root.misjudged == 1.0


def test_analysing_without_parameters_is_refused_with_the_remedy(template):
    with pytest.raises(NoPlan, match="SAMPLE_PARAMETERS"):
        plans.explain_query(template, analyse=True)


@pytest.mark.usefixtures("parts")
def test_nothing_that_is_explained_or_analysed_changes_anything():
    several = "SELECT 1; DELETE FROM parts"
    with session.reading("default") as cursor:
        for ask in (
            lambda: explain.analysed(cursor, "DELETE FROM parts", None),
            lambda: explain.analysed(cursor, several, None),
            lambda: explain.with_values(cursor, several, []),
            lambda: explain.generic(cursor, several),
            lambda: explain.generic(cursor, "nonsense"),
            lambda: explain.generic(cursor, "SET work_mem = '5MB'"),
        ):
            with pytest.raises(NoPlan):
                ask()
        assert explain.generic(cursor, "DELETE FROM parts WHERE id = %s")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM parts")
        assert cursor.fetchone() == (2000,)


@pytest.fixture
def hidden_calls():
    """Volatile functions where a statement's text does not show them."""
    run("""CREATE FUNCTION "an odd (name" (a int) RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_reload_conf(); RETURN a; END $$""")
    run("""CREATE FUNCTION inlined() RETURNS boolean LANGUAGE sql
        AS $$ SELECT pg_reload_conf() $$""")
    run("CREATE VIEW calling AS SELECT pg_reload_conf() AS done")
    run("""CREATE FUNCTION steady (a int) RETURNS int STABLE LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_reload_conf(); RETURN a; END $$""")
    run("CREATE VIEW listed AS SELECT done FROM (VALUES (true), (pg_reload_conf())) AS v (done)")
    run("CREATE VIEW above AS SELECT * FROM listed")
    run("CREATE DOMAIN checked AS int CHECK (steady(VALUE) > 0)")
    run("CREATE TYPE pair AS (a int, b checked)")
    run('CREATE OPERATOR !!# (RIGHTARG = int, FUNCTION = "an odd (name")')
    run('CREATE AGGREGATE adding (int) (STYPE = int, SFUNC = int4pl, FINALFUNC = "an odd (name")')
    yield
    run("DROP AGGREGATE adding (int)")
    run("DROP TYPE pair")
    run("DROP DOMAIN checked")
    run("DROP VIEW above, listed")
    run("DROP FUNCTION steady(int)")
    run("DROP VIEW calling")
    run("DROP OPERATOR !!# (NONE, int)")
    run("DROP FUNCTION inlined()")
    run('DROP FUNCTION "an odd (name"')


@pytest.mark.usefixtures("parts", "hidden_calls")
def test_what_calls_a_function_with_effects_is_not_run():
    with session.reading("default") as cursor:
        for text in (
            "SELECT pg_reload_conf()",
            "SELECT * FROM pg_reload_conf() AS f(x)",
            "SELECT id FROM parts WHERE kind = 3 AND PG_CATALOG . Pg_Reload_Conf ()",
            "SELECT 1 WHERE (SELECT pg_advisory_lock(7))::text = ''",
            "SELECT id FROM parts ORDER BY (SELECT pg_notify('a', name))",
            'SELECT "an odd (name"(id) FROM parts',
            "SELECT inlined()",
            "SELECT * FROM calling",
            "SELECT !!# id FROM parts",
            "SELECT nextval('nowhere')",
            "SELECT adding(id) FROM parts",
            "VALUES (pg_reload_conf())",
            "VALUES (PG_Reload_Conf /* now */ ())",
            "SELECT * FROM above",
            "SELECT id::text::checked FROM parts",
            "SELECT '(1,2)'::pair FROM parts",
            "SELECT id FROM parts WHERE steady(id) = 3",
            "SELECT 1 FROM (VALUES (true), (pg_reload_conf())) AS given (done) WHERE done",
        ):
            with pytest.raises(NoPlan, match=r"It was not run|gives no plan"):
                explain.analysed(cursor, text, None)
        fine = """SELECT random(), clock_timestamp(), lower(name), count(*), array_agg(id)
            FROM parts JOIN (VALUES (1), (2)) AS given (id) USING (id) GROUP BY name"""
        assert explain.analysed(cursor, fine, None)["Execution Time"] > 0


@pytest.mark.usefixtures("parts")
def test_what_a_plan_alone_runs_can_change_nothing():
    """PostgreSQL calls what calls itself immutable while it plans, whatever that does."""
    run("""CREATE FUNCTION empties() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN DELETE FROM parts; RETURN 1; END $$""")
    run("""CREATE FUNCTION sleeps() RETURNS int LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN PERFORM pg_sleep(600); RETURN 1; END $$""")
    run("""CREATE FUNCTION pretends() RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN RETURN empties(); END $$""")
    try:
        with session.reading("default") as cursor:
            text = "SELECT * FROM parts WHERE id = pretends()"
            for ask in (
                lambda: explain.generic(cursor, text),
                lambda: explain.with_values(cursor, text, []),
                lambda: explain.analysed(cursor, text, None),
            ):
                with pytest.raises(NoPlan, match="read-only transaction"):
                    ask()
            cursor.execute("SET statement_timeout = 50")
            with pytest.raises(NoPlan, match="statement timeout"):
                explain.generic(cursor, "SELECT * FROM parts WHERE id = sleeps()")
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM parts")
            assert cursor.fetchone() == (2000,)
    finally:
        run("DROP FUNCTION empties(), pretends(), sleeps()")


def test_a_database_that_is_away_is_said(template):
    was = connection.settings_dict
    connection.settings_dict = {**was, "PORT": "1"}
    try:
        with pytest.raises(NoPlan, match="does not answer"):
            plans.explain_query(template)
    finally:
        connection.settings_dict = was


def test_a_plan_that_changed_is_kept_with_its_cause_and_is_a_finding(template):
    watch_plans()
    assert QueryPlan.objects.count() == 1
    watch_plans()
    assert QueryPlan.objects.count() == 1
    run("DROP INDEX parts_kind")
    (changed,) = plans.watch()
    assert changed.causes[0] == "Index parts_kind of public.parts is gone."
    assert kinds(changed.plan) == ["Seq Scan"]

    # Twenty calls of 2 ms until the last look at the old plan, and what came after.
    old = timezone.now() - timedelta(hours=3)
    QueryPlan.objects.exclude(pk=changed.pk).update(first_seen_at=old, last_seen_at=old)
    QueryOrigin.objects.all().delete()
    sent(template, old, total_ms=40.0)
    assert plan_issues() == []
    later = sent(template, old + timedelta(hours=2), total_ms=44.0)
    assert plan_issues() == []  # another plan, the same time
    QueryOrigin.objects.filter(pk=later.pk).update(total_ms=400.0)
    (issue,) = plan_issues()
    assert (issue.severity, issue.object) == ("warning", "plan of 7")
    assert issue.title.startswith("SELECT * FROM parts WHERE kind = %s takes 10.0 times as long")
    QueryOrigin.objects.filter(pk=later.pk).update(total_ms=4.0)
    assert [(i.severity, "10.0 times less" in i.title) for i in plan_issues()] == [("info", True)]


def flip_plans(template, *, times):
    """Let the plan flip so many times, one every two hours until now; return when each began."""
    began = timezone.now() - timedelta(hours=2 * times + 1)
    for number in range(times + 1):
        if number:
            run("DROP INDEX parts_kind" if number % 2 else BY_KIND_INDEX)
        plans.watch()
    hours = [began + timedelta(hours=2 * number) for number in range(times + 1)]
    for plan, at in zip(QueryPlan.objects.order_by("id"), hours, strict=True):
        QueryPlan.objects.filter(pk=plan.pk).update(first_seen_at=at, last_seen_at=at)
    QueryOrigin.objects.all().delete()
    return hours


def test_a_plan_that_flips_back_and_forth_in_the_same_time_is_not_reported(template):
    # Twenty calls of 2 ms under each plan, give or take the noise of an hour.
    for number, at in enumerate(flip_plans(template, times=4)):
        sent(template, at + timedelta(hours=1), total_ms=40.0 + 4 * (-1) ** number)
    assert QueryPlan.objects.exclude(causes=[]).count() == 4
    assert plan_issues() == []


def test_of_a_plan_that_flips_back_and_forth_the_flip_that_costs_time_is_reported(template):
    *before, last = flip_plans(template, times=3)
    for at in before:
        sent(template, at, total_ms=40.0)
    sent(template, last + timedelta(hours=1), total_ms=400.0)
    (issue,) = plan_issues()
    assert issue.severity == "warning"
    assert "takes 10.0 times as long since its plan changed: Index parts_kind" in issue.title


def sent(template, at, **changes):
    fields = {"calls": 20, "rows": 4, "executions": 20, "max_calls_per_execution": 1, **changes}
    hour = at.replace(minute=0, second=0, microsecond=0)
    return QueryOrigin.objects.create(
        template=template, kind="request", name="GET /later", at=hour, **fields
    )


def plan_issues():
    changes = origins.read("default", since=timezone.now().timestamp() - 60).plan_changes
    window = difference.since_reset(look(100))
    return plan_changes.run(replace(window, plan_changes=changes), Conf())
