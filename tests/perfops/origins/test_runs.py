"""What a load run asks of the database is counted for it, and for nobody who only says so."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import RequestFactory

from perfops.models import LoadRun, QueryOrigin, QueryTemplate
from perfops.origins import flushing, runs
from perfops.origins.middleware import count_silent, origin_middleware
from perfops.tasks import expire_origins


def test_a_header_is_believed_when_it_proves_the_run():
    genuine = runs.baggage(42)
    signature = genuine.partition(",")[2]
    assert runs.run_of(genuine) == 42
    assert runs.run_of(f"a=1, {signature} , perfops.run = 42;p=1") == 42
    for forged in ("", "perfops.run=42", f"perfops.run=43,{signature}", signature, "perfops.run="):
        assert runs.run_of(forged) == 0


def ask(run, times):
    def view(request):
        for _ in range(times):
            User.objects.filter(username="a").exists()
        return HttpResponse()

    headers = {"Baggage": runs.baggage(run.pk)}
    origin_middleware(view)(RequestFactory().get("/a", headers=headers))


@pytest.mark.usefixtures("counting")
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_each_run_keeps_its_own_counts_for_as_long_as_it_is_kept(settings):
    settings.PERFOPS = {**settings.PERFOPS, "ORIGINS": True}
    one, two = (LoadRun.objects.create(scenario="smoke", target=f"http://{n}") for n in "ab")
    for run, times in ((one, 2), (two, 3), (one, 0)):
        ask(run, times)
    # Answered by a server that has not asked Django.
    silent = LoadRun.objects.create(scenario="smoke", target="http://c")
    count_silent(runs.baggage(silent.pk), "GET", "silent/<int:id>")
    count_silent("perfops.run=1", "GET", "silent/<int:id>")
    assert flushing.flush()
    (route,) = runs.of_run(silent.pk)
    assert (route.name, route.requests, route.calls) == ("GET /silent/{id}", 1, 0)
    ask(one, 1)
    assert flushing.flush()
    assert [(each.requests, each.calls, each.rows) for each in runs.of_run(one.pk)] == [(3, 3, 0)]
    (route,) = runs.of_run(two.pk)
    (statement,) = route.statements
    assert (statement.calls, statement.executions, route.calls, route.requests) == (3, 1, 3, 1)
    assert statement.function.endswith("view")
    # The statement's text stays while a run has it, whatever became of the hours and days.
    QueryOrigin.objects.all().delete()
    QueryTemplate.objects.update(first_seen_at=datetime.now(UTC) - timedelta(days=2))
    expire_origins()
    assert runs.of_run(two.pk)[0].statements[0].template.text.startswith("SELECT")
    LoadRun.objects.filter(pk=two.pk).update(created_at=datetime.now(UTC) - timedelta(days=999))
    expire_origins()
    assert runs.of_run(two.pk) == [] != runs.of_run(one.pk)
