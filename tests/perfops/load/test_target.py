"""The target's own figures: who may ask for them, and what of it was full first."""

import time
from itertools import chain, repeat

import pytest
from django.urls import reverse

from perfops.load import target_endpoint, target_side
from perfops.load.target_endpoint import PATH, headers
from perfops.load.target_side import Look, NoFigures, TargetWatch, as_row
from perfops.models import LoadRun

SECRET = "what generator and target share"
pytestmark = pytest.mark.django_db


@pytest.fixture
def secret(settings):
    settings.PERFOPS = {**settings.PERFOPS, "TARGET_SECRET": SECRET}
    return SECRET


def test_who_knows_the_secret_gets_the_figures_and_the_fingerprint(client, secret):
    answer = client.get(PATH, headers=headers(secret, PATH, time.time()))
    said = answer.json()
    assert said["cores"] > 0
    assert 0 < said["memory"] <= 1
    assert "no-store" in answer["Cache-Control"]
    path = f"{PATH}?fingerprint"
    assert client.get(path, headers=headers(secret, path, time.time())).json()["postgres"]


@pytest.mark.parametrize(
    ("given", "path", "status"),
    [
        ({}, PATH, 404),
        (headers("another secret", PATH, time.time()), PATH, 404),
        # What was signed for one question answers no other.
        (headers(SECRET, PATH, time.time()), f"{PATH}?fingerprint", 404),
        (headers(SECRET, PATH, time.time() - 3600), PATH, 403),
        (headers(SECRET, PATH, time.time() + 3600), PATH, 403),
        ({**headers(SECRET, PATH, 0), "X-Perfops-Time": "1"}, PATH, 404),
    ],
)
@pytest.mark.usefixtures("secret")
def test_nobody_else_gets_them(client, given, path, status):
    assert client.get(path, headers=given).status_code == status


def test_without_a_secret_there_is_no_such_page(client):
    assert client.get(PATH, headers=headers("", PATH, time.time())).status_code == 404


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_generator_asks_once_a_second_and_a_target_that_says_nothing_is_a_black_box(
    live_server, secret, site, settings, monkeypatch
):
    said = target_side.ask(live_server.url, secret, query="?fingerprint")
    assert said["django"]
    monkeypatch.setattr(target_side, "INTERVAL_S", 0.05)
    watch = TargetWatch(live_server.url, secret)
    watch.start()
    deadline = time.monotonic() + 60
    while len(watch.looks) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    watch.finish()
    assert "memory" in watch.looks[0].shares
    assert 0 <= watch.looks[1].shares["cpu"] <= 1
    with pytest.raises(NoFigures, match="another PERFOPS") as refused:
        target_side.ask(live_server.url, "another secret")
    assert refused.value.__cause__.fp.closed
    # A server that answers everything with something.
    with pytest.raises(NoFigures, match="did not answer with figures"):
        target_side.ask(site.url, secret)
    with pytest.raises(NoFigures, match="TARGET_SECRET"):
        target_side.ask(live_server.url, "")
    site.die()
    with pytest.raises(NoFigures, match="did not answer"):
        target_side.ask(site.url, secret)


def test_figures_that_are_none_cost_one_look_and_the_next_counts(monkeypatch):
    good = {"at": 1.0, "cpu_s": 1.0, "cores": 2, "memory": 0.5}
    odd = [{"cores": 2}, {**good, "memory": "much"}, {**good, "at": None}]
    answers = chain([*odd, good], repeat(good))
    monkeypatch.setattr(target_side, "ask", lambda *_: next(answers))
    monkeypatch.setattr(target_side, "INTERVAL_S", 0.01)
    watch = TargetWatch("http://127.0.0.1:1", SECRET)
    watch.start()
    deadline = time.monotonic() + 60
    while not watch.looks:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    watch.finish()
    assert watch.unanswered == len(odd)
    assert watch.looks[0].shares == {"memory": 0.5}


def looks(**shares):
    """A look each second, from second 100 on."""
    return [
        Look(100.0 + n, dict(zip(shares, values, strict=True)))
        for n, values in enumerate(zip(*shares.values(), strict=True))
    ]


def test_what_was_full_first_was_so_three_times_in_a_row():
    found = looks(
        cpu=[0.2, 1.0, 0.3, 0.99, 0.99, 0.99, 0.99],
        threads=[0.1, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0],
        pool=[0.1] * 7,
    )
    row = as_row(found, 2, 100.0)
    assert row["first"] == ["threads", 2.0]
    assert row["seconds"] == [0, 1, 2, 3, 4, 5, 6]
    assert list(row["shares"]) == ["cpu", "pool", "threads"]
    assert as_row(looks(cpu=[0.2, 1.0, 1.0, 0.3]), 0, 100.0)["first"] is None
    # Looks before the first request are no part of the run.
    assert as_row(found, 0, 105.0)["seconds"] == [0, 1]


def test_cpu_is_what_was_used_between_two_answers():
    watch = TargetWatch("http://127.0.0.1:9", SECRET)
    for at, cpu_s in ((10.0, 5.0), (12.0, 8.0)):
        # The target's clock is 50 seconds late: the time line is the generator's.
        said = {"at": at, "cpu_s": cpu_s, "cores": 2.0, "memory": 0.5}
        watch.note(said, at + 50)
    assert [look.at for look in watch.looks] == [60.0, 62.0]
    assert [look.shares for look in watch.looks] == [{"memory": 0.5}, {"memory": 0.5, "cpu": 0.75}]


def test_a_pool_is_full_when_somebody_waits_for_it(monkeypatch):
    class Pool:
        closed, max_size, waiting = False, 4, 0

        def get_stats(self):
            return {"pool_size": 4, "pool_available": 1, "requests_waiting": self.waiting}

    pool = Pool()
    monkeypatch.setattr(target_endpoint, "pools", lambda: [pool])
    assert target_endpoint.saturation()["pool"] == 0.75
    pool.waiting = 2
    assert target_endpoint.saturation()["pool"] == 1.0


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"black_box": "it has no page"}, "The target is a black box: it has no page."),
        (as_row(looks(threads=[1.0] * 5, cpu=[0.4] * 5), 1, 100.0), "Full first: threads, from"),
        (as_row(looks(cpu=[0.4] * 5), 0, 100.0), "Nothing of the target was full (95%)"),
        (as_row([], 7, 100.0), "The target gave no figures"),
    ],
)
def test_the_page_of_a_run_says_so(admin_client, row, says):
    run = LoadRun.objects.create(
        scenario="smoke", target="http://127.0.0.1:1", state="finished", server={"target": row}
    )
    page = admin_client.get(reverse("admin:perfops_loadrun_change", args=[run.pk]))
    assert says in page.content.decode()
