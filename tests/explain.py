"""What the planner does with a query."""

import json

from django.db import connection


def nodes(queryset):
    """Every node of the plan, as "Type index"."""
    sql, params = queryset.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        plan = cursor.fetchone()[0]
    plan = json.loads(plan) if isinstance(plan, str) else plan
    found, waiting = [], [plan[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        found.append(f"{node['Node Type']} {node.get('Index Name', '')}".strip())
        waiting += node.get("Plans", [])
    return found


def rows_read(statements, table):
    """How many rows of ``table`` these statements (texts with their values) take a look at."""
    return sum(_read(node, table) for sql in statements if table in sql for node in _run(sql))


def _run(sql):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}")
        plan = cursor.fetchone()[0]
    waiting = [(json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]]
    while waiting:
        yield (node := waiting.pop())
        waiting += node.get("Plans", [])


def _read(node, table):
    if node.get("Relation Name") != table:
        return 0
    thrown_away = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    rows = node["Actual Rows"] + sum(node.get(name, 0) for name in thrown_away)
    return round(rows * node["Actual Loops"])


def check(queryset, index):
    """The plan uses the index: it neither walks a whole table nor sorts."""
    found = nodes(queryset)
    assert any(index in node for node in found), found
    assert not [node for node in found if node.startswith(("Seq Scan", "Sort", "Incremental"))], (
        found
    )
