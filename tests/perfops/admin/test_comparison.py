"""Two load runs beside each other: what changed, by how much, or why that can't be told."""

from datetime import timedelta

import pytest
from django.utils import timezone

from perfops.load import comparison
from perfops.models import LoadRun, QueryTemplate, RouteResult, RunRoute, RunStatement, Sample
from tests.perfops.admin.test_pages import MOST_QUERIES, url
from tests.perfops.budgets.test_verdicts import run_with

pytestmark = pytest.mark.django_db
SECONDS = 40
PLAN = {"duration_s": 40.0, "requests": 5, "peak_rate": 10, "max_vus": 10}
FINGERPRINT = {
    "commit": "abc",
    "scenario_hash": "s",
    "cores": 2,
    "k6": "k6 v1",
    "rows": {"t": 5000},
}


def run_of(p95s, *, age=0, calls=1, **fields):
    """A run whose routes have these p95; a request of /slow sends a statement ``calls`` times."""
    run = run_with()
    values = {"verdict": "pass", "plan": PLAN, "fingerprint": FINGERPRINT, **fields}
    LoadRun.objects.filter(pk=run.pk).update(
        created_at=timezone.now() - timedelta(minutes=age), **values
    )
    noise = (0.97, 1.02, 1.01, 0.98, 1.03)
    for route, p95 in p95s.items():
        RouteResult.objects.create(run=run, route=route, requests=400, p95_ms=p95, cache_hits=3)
        Sample.objects.bulk_create(
            Sample(run=run, route=route, second=n, requests=10, p95_ms=p95 * noise[n % 5])
            for n in range(SECONDS)
        )
    Sample.objects.create(run=run, second=0, requests=10, p95_ms=5)
    template, _ = QueryTemplate.objects.get_or_create(
        id=5, defaults={"database": "default", "text": "SELECT 1", "first_seen_at": timezone.now()}
    )
    RunRoute.objects.create(run=run, name="GET /slow", requests=400, calls=9, total_ms=9, rows=9)
    RunStatement.objects.create(
        run=run, template=template, site="shop/views.py:7", name="GET /slow", calls=400 * calls,
        total_ms=400.0 * calls, rows=1, executions=400, max_calls_per_execution=calls,
        repeated_executions=0, repeated_calls=0,
    )  # fmt: skip
    return LoadRun.objects.get(pk=run.pk)


def test_what_changed_is_said_with_its_interval_its_line_and_in_one_sentence(
    admin_client, django_assert_max_num_queries
):
    before = run_of({"/slow": 10, "/same": 20}, age=5)
    after = run_of(
        {"/slow": 18, "/same": 20.2}, calls=20, fingerprint={**FINGERPRINT, "commit": "def"}
    )
    found = comparison.compare(before, after)
    slow, same = found.routes
    assert (slow.route, slow.p95.value) == ("/slow", pytest.approx(1.8))
    assert 1.7 < slow.p95.low < 1.8 < slow.p95.high < 1.9
    assert same.p95.low < 1.01 < same.p95.high
    assert "1 route slower, 0 quicker: /slow takes 1.80 times as long at p95" in found.sentence
    assert "sends SELECT 1 20.00 times per request, before 1.00" in found.sentence
    assert found.differences == [("commit", "abc", "def")]
    # The previous comparable run, unless another is named.
    with django_assert_max_num_queries(MOST_QUERIES):
        page = admin_client.get(url("loadrun_compare", after.pk)).content.decode()
    for part in (found.sentence, f"run {before.pk}", "1.80 (1.7", "no change seen", "20.00", "def",
                 "shop/views.py:7", "po-line-2"):  # fmt: skip
        assert part in page
    here = f"{url('loadrun_compare', after.pk)}?with={before.pk}".replace("&", "&amp;")
    assert f'href="{here}"' in admin_client.get(url("loadrun_change", after.pk)).content.decode()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"verdict": "invalid"}, "measured nothing that is valid"),
        ({"scenario": "smoke"}, "The scenarios differ: smoke and api-load."),
        ({"plan": {**PLAN, "requests": 6}}, "The plan of api-load was another one."),
        ({"target": "http://127.0.0.1:2"}, "The targets differ"),
        ({"fingerprint": {**FINGERPRINT, "scenario_hash": "t"}}, "They differ in the scripts"),
        ({"fingerprint": {**FINGERPRINT, "cores": 8}}, "They differ in the generator's cores"),
        ({"fingerprint": {**FINGERPRINT, "rows": {"t": 5999}}}, "The table t had 5,999 rows, then"),
    ],
)
def test_runs_that_can_not_be_compared_say_why(admin_client, fields, says):
    before = run_of({"/a": 10}, age=5, **fields)
    after = run_of({"/a": 10})
    assert comparison.last_comparable(after) == []
    page = admin_client.get(f"{url('loadrun_compare', after.pk)}?with={before.pk}")
    assert f"can&#x27;t be compared: {says}".replace("'", "&#x27;") in (
        page.content.decode().replace(f"Run {before.pk} measured", "measured")
    )
    # By default it is offered to none.
    page = admin_client.get(url("loadrun_compare", after.pk)).content.decode()
    assert "No run before this one can be compared with it" in page


def test_what_runs_store_themselves_is_no_other_data():
    """Each run adds samples: after a few smoke runs none could be compared with the one before."""
    more = {**FINGERPRINT["rows"], "perfops_sample": 1399, "perfops_queryorigin": 90_000}
    before = run_of({"/a": 10}, age=5)
    after = run_of({"/a": 10}, fingerprint={**FINGERPRINT, "rows": more})
    assert comparison.incomparable(before, after) == []
    assert comparison.last_comparable(after) == [before]


def test_a_run_stands_among_the_last_comparable_ones(admin_client):
    alone = run_of({"/a": 10}, age=9)
    page = admin_client.get(url("loadrun_change", alone.pk)).content.decode()
    assert "No earlier run of this scenario" in page
    assert comparison.standings(alone, []) == []
    others = [run_of({}, age=age) for age in (8, 7)]
    run = run_of({})
    for each, p95 in zip([alone, *others, run], (20.0, 10.0, 30.0, 15.0), strict=True):
        each.summary["latency_ms"] = {**each.summary["latency_ms"], "p95": p95}
        each.save()
    last = comparison.last_comparable(run)
    assert [each.pk for each in last] == [others[1].pk, others[0].pk, alone.pk]
    place = {each.name: each for each in comparison.standings(run, last)}
    answer = place["p95 of the server's answer"]
    assert (answer.value, answer.median, answer.better) == (15.0, 20.0, 1)
    page = admin_client.get(url("loadrun_change", run.pk)).content.decode()
    assert "Median of the last 3" in page
    assert "2 of 4, 1 is best" in page


def test_two_runs_whose_seconds_are_gone_have_factors_without_intervals(admin_client):
    before, after = run_of({"/a": 10}, age=5), run_of({"/a": 30})
    Sample.objects.all().delete()
    found = comparison.compare(before, after)
    assert found.routes[0].p95.value == 3.0
    assert "their seconds are not kept" in found.sentence
    page = admin_client.get(url("loadrun_compare", after.pk)).content.decode()
    assert "can&#x27;t tell" in page
    assert "not kept any more" in page
    assert admin_client.get(f"{url('loadrun_compare', after.pk)}?with=x").status_code == 404
