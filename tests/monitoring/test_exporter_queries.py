"""What postgres_exporter is asked beside its own: today's server and an older one know it."""

import pytest
import yaml
from django.conf import settings
from django.db import connection

from tests.e2e.conftest import connect, debian_postgres

__all__ = ["debian_postgres"]
FILE = settings.BASE_DIR / "infra" / "postgres" / "exporter-queries.yml"
QUERIES = yaml.safe_load(FILE.read_text())
KINDS = {"LABEL", "COUNTER", "GAUGE"}


def columns(name):
    return [column for metric in QUERIES[name]["metrics"] for column in metric]


@pytest.mark.django_db
@pytest.mark.parametrize("name", QUERIES)
def test_every_column_is_declared(name):
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        cursor.execute(QUERIES[name]["query"])
        assert [column.name for column in cursor.description] == columns(name)
    usages = {spec["usage"] for metric in QUERIES[name]["metrics"] for spec in metric.values()}
    assert usages <= KINDS


@pytest.mark.e2e
def test_an_older_server_understands_them_all(debian_postgres):
    with connect(debian_postgres) as older:
        for name, spec in QUERIES.items():
            described = older.execute(spec["query"]).description
            assert [column.name for column in described] == columns(name)
