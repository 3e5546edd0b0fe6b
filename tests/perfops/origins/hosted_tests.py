"""A program: a project that has sent a statement before its tests run, and then runs them.

DATABASE_URL names its database, where perfops' tables are. Prints, as JSON, what was seen in the
tests' database while they ran.
"""

import json
import os
import sys
from pathlib import Path
from time import monotonic, sleep
from unittest import TestSuite
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings
from django.db import connection
from django.test import TestCase
from django.test.runner import DiscoverRunner

HERE = Path(__file__).parent
ROUNDS, PATIENCE_S, FLUSH_S = 100, 60.0, 0.01
seen: dict[str, int] = {}


def configure() -> None:
    url = urlsplit(os.environ["DATABASE_URL"])
    settings.configure(
        BASE_DIR=HERE,
        INSTALLED_APPS=[
            "django.contrib.contenttypes", "django.contrib.auth", "django.contrib.postgres",
            "perfops",
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql", "HOST": url.hostname, "PORT": url.port,
                "USER": url.username, "PASSWORD": unquote(url.password or ""),
                "NAME": url.path.strip("/"), "TEST": {"MIGRATE": False},
            }
        },
        # As often as it can: in a test that takes half a minute it would come by as well.
        PERFOPS={"ORIGIN_FLUSH_S": FLUSH_S, "ORIGINS_IN_TESTS": "noted" in sys.argv},
    )  # fmt: skip
    django.setup()


def ask(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


class OfTheHost(TestCase):
    def test_who_else_is_here(self) -> None:
        from perfops.models import QueryOrigin

        seen["sessions"] = max(
            ask(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            for _ in range(ROUNDS)
        )
        seen["rows"] = rows = QueryOrigin.objects.count()
        until = monotonic() + PATIENCE_S
        while settings.PERFOPS["ORIGINS_IN_TESTS"] and not rows and monotonic() < until:
            seen["rows"] = rows = QueryOrigin.objects.count()


class Runner(DiscoverRunner):
    def build_suite(self, *args: object, **kwargs: object) -> TestSuite:
        return self.test_loader.loadTestsFromTestCase(OfTheHost)


if __name__ == "__main__":
    configure()
    ask("SELECT 1 AS before_the_tests")
    failures = Runner(verbosity=0, interactive=False).run_tests([])
    # The last counts of tests come at a flush, or at the end; here a flush comes first.
    sleep(20 * FLUSH_S)
    json.dump({"failures": failures, **seen}, sys.stdout)
