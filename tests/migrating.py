"""Migrating an empty database of one's own to any migration and back."""

import os
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

SCHEMA = """
SELECT 'column', table_name, column_name, concat(data_type, is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'index', tablename, indexname, indexdef
    FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
ORDER BY 1, 2, 3, 4
"""


@pytest.fixture
def database():
    """A connection to an empty database of its own."""
    told = connections["default"].settings_dict
    server = {
        "host": told["HOST"], "port": told["PORT"], "user": told["USER"],
        "password": told["PASSWORD"], "autocommit": True,
    }  # fmt: skip
    name = f"midst_migrations_{os.getpid()}"
    with psycopg.connect(**server, dbname="postgres") as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with psycopg.connect(**server, dbname=name) as inside:
            yield inside
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        connection.execute(drop.format(sql.Identifier(name)))


def migrate(database, *targets):
    """Go to ``targets``, else to the last ones."""

    def work():
        # In this thread alone, for Django's connections are each thread's own.
        there = {**connections["default"].settings_dict, "NAME": database.info.dbname}
        connections["default"] = DatabaseWrapper(there, "default")
        try:
            executor = MigrationExecutor(connections["default"])
            executor.migrate(list(targets) or executor.loader.graph.leaf_nodes())
        finally:
            connections["default"].close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(work).result()


def schema(database):
    return database.execute(SCHEMA).fetchall()
