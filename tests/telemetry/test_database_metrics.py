"""Statements are counted by operation and table."""

from collections import Counter

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from midst.telemetry.database import classify


def counted(operation: str, table: str) -> float:
    labels = {"operation": operation, "table": table}
    return REGISTRY.get_sample_value("db_queries_total", labels) or 0.0


@pytest.mark.parametrize(
    ("sql", "labels"),
    [
        ('SELECT "auth_user"."id" FROM "auth_user" WHERE 1 = 1', ("select", "auth_user")),
        ('INSERT INTO "auth_user" ("id") VALUES (%s)', ("insert", "auth_user")),
        ('UPDATE "auth_user" SET "is_staff" = %s', ("update", "auth_user")),
        ('DELETE FROM "auth_user" WHERE "id" IN (%s)', ("delete", "auth_user")),
        ("/* a comment */ select * from auth_user", ("select", "auth_user")),
        ('WITH x AS (SELECT 1) SELECT * FROM "auth_user"', ("select", "auth_user")),
        ("SELECT * FROM pg_stat_activity", ("select", "other")),
        ("SELECT 1", ("select", "none")),
        ('SAVEPOINT "s1"', ("other", "none")),
        ("", ("other", "none")),
    ],
)
def test_a_statement_is_classified_by_operation_and_table(sql, labels):
    assert classify(sql) == labels


@given(st.text())
def test_any_text_is_classified_within_the_known_labels(sql):
    operation, table = classify(sql)
    assert operation in {"select", "insert", "update", "delete", "other"}
    assert (
        table == "none"
        or table == "other"
        or table in connection.introspection.django_table_names()
    )


@pytest.mark.django_db
def test_each_statement_is_counted_once():
    before = counted("select", "auth_user"), counted("insert", "auth_user")
    with CaptureQueriesContext(connection) as captured:
        User.objects.create(username="ada")
        list(User.objects.all())
        list(User.objects.all())
    sent = Counter(classify(query["sql"]) for query in captured)
    selects, inserts = sent["select", "auth_user"], sent["insert", "auth_user"]
    assert (selects >= 2, inserts) == (True, 1)
    after = counted("select", "auth_user"), counted("insert", "auth_user")
    assert after == (before[0] + selects, before[1] + inserts)


@pytest.mark.django_db
def test_a_failing_statement_is_counted_too():
    before = counted("select", "other")
    with pytest.raises(Exception, match="does not exist"), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")
    assert counted("select", "other") == before + 1
