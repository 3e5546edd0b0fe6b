"""PostgreSQL ends like in a power cut under a run that it stores, and comes back."""

import time

import psycopg
import pytest

from midst.stack import ports
from tests.perfops import clusters, programs

pytestmark = pytest.mark.slow
SECONDS, RATE = 12, 100
STORED = """
SELECT state, verdict, reasons, summary, (
    SELECT coalesce(sum(requests), 0)::int FROM perfops_sample WHERE run_id = run.id AND route = ''
) FROM perfops_loadrun run WHERE scenario = %s
"""


@pytest.fixture(scope="module")
def server():
    with clusters.cluster("18") as made:
        yield made


@pytest.fixture
def start(server, site, scenario, tmp_path):
    """Start a run of the scenario of that name, in a process whose database is ``server``."""
    scenario(rate=RATE, seconds=SECONDS)
    changed = {"SCENARIO_DIR": str(tmp_path / "k6"), "HEARTBEAT_S": 0.5, "OWN_TARGETS": [site.url]}
    place = {"HOST": ports.HOST, "PORT": server.port, "USER": clusters.USER, "NAME": "postgres"}
    started = []

    def begin(name):
        scenario(rate=RATE, seconds=SECONDS, name=name)
        lines = [
            "import django",
            "from django.conf import settings",
            "from django.core.management import call_command",
            f"settings.DATABASES['default'] |= {place!r}",
            f"settings.PERFOPS = {{**settings.PERFOPS, **{changed!r}}}",
            "django.setup()",
            "call_command('migrate', verbosity=0)",
            "from perfops.models import Budget",
            # What a restarted server or a busy machine may well break.
            "Budget.objects.exclude(metric='error_rate').delete()",
            f"call_command('run_load_test', {name!r}, '--target', {site.url!r}, '--here')",
        ]
        started.append(programs.start(lines, tmp_path / "run.log"))
        return started[-1]

    yield begin
    for each in started:
        programs.end(each)


def stored(server, name):
    """Return state, verdict, reasons, summary and stored requests of the run; None before it."""
    with server.connect() as connection:
        try:
            return connection.execute(STORED, [name]).fetchone()
        except psycopg.errors.UndefinedTable:
            return None


def restart_under(server, name, log):
    """Wait for the run's first samples, then end the server at once and start it again."""

    def is_measured():
        found = stored(server, name)
        return found is not None and found[-1] > RATE

    clusters.until(is_measured, f"nothing was measured: see {log}")
    before = stored(server, name)[-1]
    server.crash()
    # Some beats of the run's heart meet nothing.
    time.sleep(2)
    server.start()
    return before


def test_a_run_goes_on_is_stored_whole_and_judged(server, start, site, tmp_path):
    log = tmp_path / "run.log"
    process = start("restarted")
    before = restart_under(server, "restarted", log)
    process.wait(120)
    state, verdict, reasons, summary, requests = stored(server, "restarted")
    assert state == "finished", log.read_text()
    # A generator that could not send its plan, or in time, proves nothing.
    is_starved = any("planned requests" in each or "The generator was" in each for each in reasons)
    assert verdict == ("invalid" if is_starved else "pass"), reasons
    assert "keeps its samples in memory" in log.read_text()
    assert requests == summary["requests"] > before
    assert requests + summary["dropped"] == pytest.approx(RATE * SECONDS, rel=0.02)
    assert summary["errors"] == 0
    assert programs.k6_of(site.url) == []


def test_a_run_that_is_canceled_afterwards_is_canceled(server, start, site, tmp_path):
    """The connection that notes the end has idled since before the server went."""
    log = tmp_path / "run.log"
    process = start("canceled")
    restart_under(server, "canceled", log)
    server.execute(
        "UPDATE perfops_loadrun SET cancel_requested_at = now() WHERE scenario = 'canceled'"
    )
    process.wait(60)
    state, _, reasons, _, requests = stored(server, "canceled")
    assert state == "canceled", (reasons, log.read_text())
    assert requests > RATE
    assert programs.k6_of(site.url) == []
