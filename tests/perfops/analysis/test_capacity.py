"""Capacity reviews over generated histories: what is full first, and what can't be told."""

import json
import random
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from perfops import tasks
from perfops.analysis import snapshots
from perfops.analysis.capacity import review as reviews
from perfops.analysis.collectors.records import Database, Server, Table
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.analysis.collectors.states import Connections, Numbering
from perfops.models import Analysis, CapacityReview, LoadRun, ScopeTotal, StoredSnapshot
from perfops.statistics import scalability
from tests.perfops.statistics.test_scalability import seconds_of

pytestmark = pytest.mark.django_db
MB = 1024**2
DAYS = 175


def taken(at, day, draw):
    """A look by an analysis: one table and its key grow, the use of connections does not."""
    table = Table("public", "order", 100 * day, (500 + 4 * day) * MB, 0, 0, 0, 0, 0, oid=1)
    server = Server(180000, "here", "shop", "shop", 0.0, at.timestamp())
    return Snapshot(
        taken_at=at.timestamp(), server=server, tables=(table,),
        database=Database(0, 0, 0, 0, 0, 0, None, bytes=0),
        connections=Connections(100, 3, 20 + draw.randrange(3), 10),
        numberings=(
            Numbering("public", "order", "id", "integer", "order_id_seq", 10**6 * (day + 1),
                      2**31 - 1),
        ),
    )  # fmt: skip


@pytest.fixture
def half_a_year(settings):
    settings.PERFOPS = {**settings.PERFOPS, "DISK_BYTES": {"default": 4_000 * MB}}
    return keep_half_a_year()


def keep_half_a_year():
    """A reading of the size each day, an analysis each week, requests that become more."""
    draw, now = random.Random(3), timezone.now()
    for day in range(DAYS + 1):
        at = now - timedelta(days=DAYS - day, minutes=5)
        analysis = packed = None
        if day % 7 == 0:
            analysis = Analysis.objects.create(state="finished", finished_at=at)
            packed = snapshots.pack(taken(at, day, draw), texts=0)
        size = (1000 + 10 * day + draw.gauss(0, 20)) * MB
        StoredSnapshot.objects.create(
            database="default", taken_at=at, analysis=analysis, packed=packed,
            database_bytes=int(size),
        )  # fmt: skip
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        totals = {"database": "default", "kind": "request", "name": "GET /", "calls": 1,
                  "total_ms": 1.0, "max_calls_per_execution": 1, "repeated_calls": 0}  # fmt: skip
        if day < DAYS - 7:
            ScopeTotal.objects.create(
                **totals, span="day", at=midnight, executions=864_000 + 8_640 * day
            )
        else:
            # Half of them in one hour.
            for hour, part in ((9, 12), (14, 12)):
                ScopeTotal.objects.create(
                    **totals, span="hour", at=midnight + timedelta(hours=hour),
                    executions=(864_000 + 8_640 * day) * part // 24,
                )  # fmt: skip
    return now


def say(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        call_command("capacity_report", *arguments)
    return ended.value.code, capsys.readouterr().out


def test_it_says_what_is_full_first_and_when(half_a_year, admin_client, capsys):
    measured = scalability.points(list(seconds_of((40, 0.02, 0.0005), 100, noise=0.05, seed=1)))
    row = scalability.as_row(measured, scalability.fit(measured))
    LoadRun.objects.create(
        scenario="stress", state="finished", verdict="pass", summary={"scalability": row}
    )
    found = reviews.build()
    by_name = {each.name: each for each in found.figures}
    size = by_name["Size of the database"]
    low, high = (each / MB for each in size.growth[1:])
    assert low <= 10 <= high
    # 2,750 MB are taken; 1,250 MB at 10 MB a day.
    assert size.days[1] <= 125 <= size.days[2]
    key = by_name["Key public.order.id"]
    assert key.days[0] == pytest.approx((2**31 - 1 - 176e6) / 1e6, rel=0.01)
    used = by_name["Connections in use"]
    assert used.limit == 97
    assert used.growth[1] <= 0 <= used.growth[2]
    busiest = by_name["Requests in the busiest hour"]
    assert busiest.growth[0] == pytest.approx(0.1 * 12, rel=0.1)
    assert busiest.limit == pytest.approx(row["fit"]["peak"][0])
    assert found.first is not None
    (table,) = found.tables
    assert (table.name, table.limit) == ("public.order", None)
    assert table.growth[0] == pytest.approx(4 * MB, rel=0.01)
    assert found.sentence == f"{found.first.name} is full first: {found.first.full_text(found.at)}."

    code, text = say(capsys, "--keep")
    assert code in {0, 1}
    assert found.sentence.partition(":")[0] in text
    (kept,) = CapacityReview.objects.all()
    assert reviews.read(kept).sentence == json.loads(say(capsys, "--format", "json")[1])["sentence"]
    assert "| Size of the database |" in say(capsys, "--format", "markdown")[1]
    page = admin_client.get(reverse("admin:perfops_analysis_capacity")).content.decode()
    for part in ("is full first", "Size of the database", "public.order", "po-chart", "As of now"):
        assert part in page


def test_a_quarter_is_the_time_to_the_next_review(half_a_year, settings, capsys):
    settings.PERFOPS = {**settings.PERFOPS, "DISK_BYTES": {"default": 3_000 * MB}}
    code, text = say(capsys)
    assert code == 1
    assert "Size of the database is full first: about" in text
    settings.PERFOPS = {**settings.PERFOPS, "DISK_BYTES": {"default": 40_000 * MB}}
    assert say(capsys)[0] == 0
    settings.PERFOPS = {**settings.PERFOPS, "DISK_BYTES": {"default": 2_000 * MB}}
    code, text = say(capsys)
    assert (code, "it is full now" in text) == (1, True)


def test_what_is_not_known_is_said_and_never_guessed(half_a_year, settings, capsys):
    settings.PERFOPS = {**settings.PERFOPS, "DISK_BYTES": {}}
    text = say(capsys)[1]
    assert "Not known: Size of the database, Requests in the busiest hour." in text
    assert 'limit: not known: set PERFOPS["DISK_BYTES"]' in text
    assert "limit: not known: no stress run has found the most that is served" in text
    StoredSnapshot.objects.filter(taken_at__lt=half_a_year - timedelta(days=30)).delete()
    ScopeTotal.objects.all().delete()
    code, text = say(capsys)
    assert code == 2
    assert "Could not tell what is full first" in text
    assert "growth: could not tell: 29 days of readings, and 42 are the least" in text
    assert "full: could not tell" in text


def test_an_empty_database_is_no_error(admin_client, client, capsys):
    code, text = say(capsys)
    assert (code, "Could not tell" in text) == (2, True)
    with pytest.raises(CommandError, match="There is no database 'nope'"):
        call_command("capacity_report", "--database", "nope")
    address = reverse("admin:perfops_analysis_capacity")
    page = admin_client.get(address).content.decode()
    assert "Nothing was stored of default yet" in page
    assert "No review is kept yet" in page
    for odd in ("review=99", "review=x", "database=nope"):
        assert admin_client.get(f"{address}?{odd}").status_code == 404
    # The schedule's task; what was kept stays as it was said.
    tasks.capacity_review()
    assert "Made at" in admin_client.get(address).content.decode()
