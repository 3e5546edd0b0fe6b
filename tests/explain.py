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


def check(queryset, index):
    """The plan uses the index: it neither walks a whole table nor sorts."""
    found = nodes(queryset)
    assert any(index in node for node in found), found
    assert not [node for node in found if node.startswith(("Seq Scan", "Sort", "Incremental"))], (
        found
    )
