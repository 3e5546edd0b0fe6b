"""A real project under real servers: the shares are the calls made, to the last one."""

import os
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings

from perfops.models import QueryTemplate
from perfops.origins import runs, selectors

ROOT = settings.BASE_DIR
SHOP = "tests.perfops.origins.shop"
PATIENCE_S = 180
FORGED = "perfops.run=1,perfops.signature=forged"
LOAD_RUN = """
import django; django.setup()
from perfops.models import LoadRun
LoadRun.objects.create(scenario="smoke", target="http://127.0.0.1:1")
"""


class Shop:
    """The project in tests/perfops/origins/shop, with a database and a queue of its own."""

    def __init__(self, folder):
        self.name = f"shop_{uuid4().hex[:12]}"
        self.socket = folder / "http"
        self.children = []
        base = os.environ["DATABASE_URL"]
        self.url = base[: base.rindex("/")] + f"/{self.name}"
        self.environment = {
            **os.environ,
            "SHOP_DATABASE_URL": self.url,
            "SHOP_BROKER_URL": os.environ["REDIS_URL"],
            "SHOP_QUEUE": self.name,
            "DJANGO_SETTINGS_MODULE": f"{SHOP}.settings",
        }
        self.admin = psycopg.connect(base, autocommit=True)
        self.admin.execute(f'CREATE DATABASE "{self.name}"')
        with psycopg.connect(self.url) as database:
            database.execute("CREATE EXTENSION pg_stat_statements")
        self.run("-m", "django", "migrate", "--verbosity", "0")

    def run(self, *arguments):
        subprocess.run(
            [sys.executable, *arguments], env=self.environment, cwd=ROOT, check=True, timeout=300
        )

    def start(self, *arguments):
        child = subprocess.Popen([sys.executable, *arguments], env=self.environment, cwd=ROOT)
        self.children.append(child)
        return child

    def serve(self, *options):
        child = self.start("-m", "gunicorn", f"{SHOP}.wsgi", "--bind", f"unix:{self.socket}",
                           "--no-control-socket", "--log-level", "error", *options)  # fmt: skip
        self.wait(self.listens)
        return child

    def listens(self):
        """The socket is there a moment before anybody listens on it."""
        with socket.socket(socket.AF_UNIX) as attempt:
            return attempt.connect_ex(str(self.socket)) == 0

    def work(self):
        return self.start("-m", "celery", "-A", f"{SHOP}.worker", "worker", "-c", "1",
                          "-Q", self.name, "--without-gossip", "--without-mingle",
                          "-l", "error")  # fmt: skip

    def wait(self, condition):
        until = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < until, "waited too long"
            time.sleep(0.05)

    def stop(self, child):
        child.send_signal(signal.SIGTERM)
        child.wait(PATIENCE_S)
        self.children.remove(child)

    def get(self, path, baggage=""):
        http = HTTPConnection("shop")
        with socket.socket(socket.AF_UNIX) as http.sock:
            http.sock.connect(str(self.socket))
            http.request("GET", path, headers={"Connection": "close", "Baggage": baggage})
            answer = http.getresponse()
            answer.read()
            assert answer.status == 200

    def ask(self, sql):
        with psycopg.connect(self.url) as database:
            return database.execute(sql).fetchall()

    def trade(self):
        web = self.serve("--workers", "3", "--preload", "--max-requests", "8")
        work = self.work()
        self.run("-c", LOAD_RUN)
        with override_settings(SECRET_KEY="of-the-shop"):
            load = runs.baggage(1)
        for number in range(20):
            self.get(f"/shelves/{number}/")
            self.get("/counters/left", FORGED)
            if number % 4 == 0:
                self.get("/counters/load", load)
                self.get("/nothing/", load)
        self.get("/stream/", load)
        for _ in range(2):
            self.get("/awaiting/")
            self.get("/stream/")
        self.run("-c", f"from {SHOP}.worker import tidy\nfor _ in range(7): tidy.delay()")
        self.run("-m", "django", "count_stock")
        done = "SELECT sum(calls)::int FROM perfops_queryorigin WHERE name = 'shop.tidy'"
        self.wait(lambda: self.ask(done) == [(14,)])
        self.stop(web)
        self.stop(work)

    def close(self):
        for child in self.children:
            child.kill()
            child.wait(PATIENCE_S)
        self.admin.execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')
        self.admin.close()


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    """The shop after a day of trade: web workers that are recycled, a task worker, a command."""
    shop = Shop(tmp_path_factory.mktemp("shop"))
    try:
        shop.trade()
        yield shop
    finally:
        shop.close()


@pytest.fixture
def in_shop(traded, django_db_setup, django_db_blocker):
    """Let the ORM of this process look into the shop's database; the tests' own is untouched."""
    was = connection.settings_dict
    with django_db_blocker.unblock():
        connection.close()
        connection.settings_dict = {**was, "NAME": traded.name}
        try:
            yield traded
        finally:
            connection.close()
            connection.settings_dict = was


def line_of(function):
    """Return the call site of the only statement of a function in the shop's views."""
    lines = (Path(__file__).parent / "shop" / "views.py").read_text().splitlines()
    return f"views.py:{lines.index(f'def {function}(name):') + 2}"


@pytest.mark.slow
def test_shares_are_the_calls_made_over_workers_recycled_tasks_and_commands(in_shop):
    template = QueryTemplate.objects.get(text__contains='"username" = %s', text__endswith="%s")
    (queryid,) = template.queryids
    found = {(s.site, s.name): s.calls for s in selectors.shares(queryid)}
    first, second = line_of("first"), line_of("second")
    assert found == {
        (first, "GET /shelves/{number}/"): 20,
        (second, "GET /shelves/{number}/"): 40,
        (first, "GET /counters/{name}"): 75,
        (second, "GET /counters/{name}"): 25,
        (first, "GET /stream/"): 9,
        (first, "shop.tidy"): 7,
        (second, "shop.tidy"): 7,
        (first, "count_stock"): 2,
    }
    # Since PostgreSQL 18 the same statement has the same id in every database.
    sums = in_shop.ask(
        f"SELECT sum(calls)::int FROM pg_stat_statements WHERE queryid = {queryid}"
        " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    assert sums == [(sum(found.values()),)]


@pytest.mark.slow
def test_a_load_runs_statements_are_those_its_requests_sent_beside_other_traffic(in_shop):
    first, second = line_of("first"), line_of("second")
    found = {
        route.name: (
            route.requests, route.calls, {each.site: each.calls for each in route.statements}
        )
        for route in runs.of_run(1)
    }  # fmt: skip
    assert found == {
        "GET /counters/{name}": (5, 20, {first: 15, second: 5}),
        "GET /stream/": (1, 3, {first: 3}),
        "GET /nothing/": (5, 0, {}),
    }
