"""What an index did after it was applied."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from perfops.analysis import findings, recommenders, snapshots
from perfops.analysis.advisors.detection import DetectedIssue, IndexSubject
from perfops.analysis.collectors import difference
from perfops.analysis.collectors.records import Index, Statement
from perfops.analysis.recommenders import Measured
from perfops.analysis.snapshots import pack
from perfops.formatting import to_datetime
from perfops.indexes import impact, recommending, services
from perfops.indexes.impact import Before
from perfops.indexes.migration import Change
from perfops.indexes.recommendation import Balance, Recommendation, Recommendations
from perfops.indexes.records import Candidate, Effect, Key, Proof, Query
from perfops.models import Analysis, Finding, StoredSnapshot
from perfops.models import Recommendation as Stored
from tests.perfops.analysis.test_snapshots import look

CANDIDATE = Candidate(("public", "orders"), (Key("customer"),))


def index(scans=100):
    return Index("public", "orders", "i", "", (1,), 8192, scans, None, 0, 0, False, False)


def window(mean_ms, *, calls=100, indexes=()):
    after = msgspec.structs.replace(look(200), indexes=tuple(indexes))
    statement = Statement("7", "SELECT", calls, calls * mean_ms, 0, 0, 0, 0, 0)
    return replace(difference.between(look(100), after), statements=(statement,))


def judge(mean_ms, *, promised=0.9, scans=100, calls=100):
    return impact.judge(
        [Before("7", 10.0)], window(mean_ms, calls=calls), index=index(scans), promised=promised,
        min_calls=10,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mean_ms", "verdict"), [(1.0, "fixed"), (5.4, "fixed"), (9.0, "no effect"), (12.0, "worse")]
)
def test_the_verdict_is_by_the_time_per_call(mean_ms, verdict):
    assert judge(mean_ms).verdict == verdict


def test_an_index_that_nobody_scans_has_fixed_nothing():
    assert judge(1.0, scans=0).verdict == "no effect"


def test_a_drop_is_right_when_nothing_became_slower():
    assert judge(10.5, promised=0.0).verdict == "fixed"
    assert judge(20.0, promised=0.0).verdict == "worse"


def test_too_few_calls_tell_nothing():
    assert judge(1.0, calls=5) is None
    assert impact.judge([], window(1.0), index=index(), promised=1, min_calls=1) is None


@pytest.mark.parametrize(
    ("stddev_ms", "calls", "verdict"),
    [(2.0, 100, "fixed"), (200.0, 100, None), (200.0, 10_000, "fixed")],
)
def test_no_verdict_is_given_while_noise_is_larger_than_what_was_promised(
    stddev_ms, calls, verdict
):
    before = Before("7", 10.0, calls=calls, stddev_ms=stddev_ms)
    found = window(1.0, calls=calls)
    now = [msgspec.structs.replace(s, stddev_ms=stddev_ms) for s in found.statements]
    judged = impact.judge(
        [before], replace(found, statements=tuple(now)), index=index(), promised=0.9, min_calls=10
    )
    assert (judged and judged.verdict) == verdict


@pytest.mark.parametrize(
    ("mean_ms", "stddev_ms", "promised", "verdict"),
    [
        (2.0, 0.0, 0.9, "fixed"), (7.0, 0.0, 0.9, None), (10.0, 0.0, 0.9, None),
        (12.0, 0.0, 0.9, "worse"), (5.0, 20.0, 0.9, None), (10.5, 0.0, 0.0, "fixed"),
        (10.5, 20.0, 0.0, "fixed"), (11.5, 20.0, 0.0, None), (15.0, 0.0, 0.0, "worse"),
    ],
)  # fmt: skip
def test_a_window_that_begins_before_the_change_shows_only_what_is_clear_all_the_same(
    mean_ms, stddev_ms, promised, verdict
):
    found = window(mean_ms)
    now = [msgspec.structs.replace(s, stddev_ms=stddev_ms) for s in found.statements]
    judged = impact.judge(
        [Before("7", 10.0)], replace(found, statements=tuple(now)), index=index(),
        promised=promised, min_calls=10, is_mixed=True,
    )  # fmt: skip
    assert (judged and judged.verdict) == verdict


def test_what_a_proof_takes_for_chance_makes_no_verdict_worse():
    for before_ms, verdict in ((0.04, "fixed"), (4.0, "worse")):
        judged = impact.judge(
            [Before("7", before_ms)], window(before_ms * 2), index=None, promised=0.0, min_calls=10
        )
        assert judged.verdict == verdict


def test_a_verdict_says_how_large_the_noise_is():
    before = Before("7", 10.0, calls=100, stddev_ms=20.0)
    judged = impact.judge([before], window(9.0), index=None, promised=0.0, min_calls=10)
    assert str(judged) == "10.0 ms -> 9.00 ms per call (100 calls since, give or take 4.00 ms)"
    assert judged.evidence()[-1] == ("noise, ms per call", 4.0)


@pytest.mark.parametrize(
    ("scans", "is_left_alone", "verdict"),
    [(0, True, "no effect"), (5, True, None), (0, False, None)],
)
def test_an_index_that_no_plan_has_changed_nothing_whenever_its_calls_came(
    scans, is_left_alone, verdict
):
    judged = impact.judge(
        [Before("7", 10.0)], window(9.9), index=index(scans), promised=0.9, min_calls=10,
        is_mixed=True, is_left_alone=is_left_alone,
    )  # fmt: skip
    assert (judged and judged.verdict) == verdict


@pytest.fixture
def titles(db):
    """A table that other connections see; of a small one the planner may read all."""
    beside = connection.copy()
    with beside.cursor() as cursor:
        cursor.execute("CREATE TABLE titles (id int PRIMARY KEY, title text)")
        cursor.execute("INSERT INTO titles SELECT generate_series(1, 5000)")
        yield
        cursor.execute("DROP TABLE titles")
    beside.close()


@pytest.mark.usefixtures("titles")
def test_whether_an_index_is_left_alone_is_told_by_the_plans_of_its_statements(given):
    first, seen = analysed(given.issue)
    services.record(Recommendations((given,)), [], seen)

    def outcome(name, text):
        Stored.objects.update(index_name=name, applied_at=None, outcome="", measured=[])
        made = msgspec.structs.replace(index(0), table="titles", name=name)
        found = window(9.9, indexes=[made])
        sent = [msgspec.structs.replace(each, text=text) for each in found.statements]
        services.measure_impact(first, replace(found, before=None, statements=tuple(sent)))
        return Stored.objects.get().outcome

    text = "SELECT title FROM titles WHERE id = 5"
    assert outcome("titles_pkey", text) == ""
    assert outcome("by_title", "nonsense") == ""
    assert outcome("by_title", text) == "no effect"


@pytest.mark.django_db
def test_a_verdict_on_calls_of_which_some_came_before_a_drop_is_given_and_looked_at_again(given):
    old = msgspec.structs.replace(
        index(), definition="CREATE INDEX i ON public.orders USING btree (customer)"
    )
    first, seen = analysed(given.issue)
    drop = replace(given, action="drop", proof=None, balance=None)
    services.record(Recommendations((drop,)), [old], seen)
    whole = replace(window(10.1), before=None)
    dropped = "index public.i was dropped as recommended: 10.0 ms -> "
    mixed = "at least 10.1 ms per call (100 calls since shortly before it)"
    assert services.measure_impact(first, whole) == Measured([], (dropped + mixed,))
    assert Stored.objects.get().outcome == "fixed"
    assert services.measure_impact(first, whole) == Measured([], ())
    later, _ = analysed(baseline=analysed()[0])
    (advice,) = services.measure_impact(later, window(15.0)).issues
    assert "made its statements slower" in advice.title
    assert services.measure_impact(later, window(10.0)).issues == [advice]


@pytest.mark.django_db
def test_what_came_while_the_analysis_worked_is_after_the_change(given, monkeypatch):
    first, seen = analysed(given.issue)
    services.record(Recommendations((given,)), [], seen)
    whole = difference.since_reset(counted(200, 400, 3990.0, indexes=[index()]))
    now = counted(230, 500, 4090.0, indexes=[index()])
    monkeypatch.setattr(services.snapshot, "take", lambda *_, **__: now)
    (note,) = services.measure_impact(first, whole).notes
    assert note.endswith("10.0 ms -> 1.00 ms per call (100 calls since)")


@pytest.mark.django_db
def test_the_verdict_comes_with_the_first_analysis_where_no_snapshot_lies_between(given):
    """The window is of all that the counters hold: 100 calls of 10 ms, then an analysis."""
    _, seen = analysed(given.issue)
    services.record(Recommendations((given,)), [], seen)
    kept = pack(counted(100, 100, 1000.0, indexes=[]), texts=10)
    StoredSnapshot.objects.create(database="default", taken_at=to_datetime(100), packed=kept)
    # Ten calls more without the index, ninety of 1 ms with it.
    whole = difference.since_reset(counted(200, 200, 1190.0, indexes=[index()]))
    later, _ = analysed(baseline=None)
    helped = (
        "index public.i was made as recommended: 10.0 ms -> at most 1.90 ms per call "
        "(100 calls since shortly before it)"
    )
    assert services.measure_impact(later, whole) == Measured([], (helped,))
    row = Stored.objects.get()
    assert row.outcome == "fixed"
    assert ["ms per call after, at most", 1.9] in row.measured


@pytest.fixture
def given():
    query = Query("7", "SELECT $1", 100, 1000.0, 1.0, (), {}, frozenset({("public", "orders")}))
    effect = Effect("7", 100.0, 5.0, True)
    proof = Proof(CANDIDATE, "planned", "cost", 1000, None, (effect,))
    balance = Balance(1000.0, 950.0, 1.0, 0, 0.5)
    change = Change("shop", "Order", "0002_add_i", "text", "models.Index(),", (), "i", "CREATE")
    issue = DetectedIssue("missing_index", "orders (customer)", "warning", "t", "w", "r")
    return Recommendation(
        "add", IndexSubject("public", "orders", "i"), "accepted", statements=(query,),
        effects=(effect,), issue=issue, change=change, proof=proof, balance=balance,
    )  # fmt: skip


def analysed(*advice, at=None, baseline=None):
    analysis = Analysis.objects.create(baseline=baseline)
    if at is not None:
        Analysis.objects.filter(pk=analysis.pk).update(created_at=at)
        analysis.refresh_from_db()
    return analysis, findings.record(analysis, advice)


@pytest.mark.django_db
def test_a_recommendation_is_followed_from_the_proposal_to_what_it_did(given):
    analysis, seen = analysed(given.issue)
    services.record(Recommendations((given,)), [], seen)
    row = Stored.objects.get()
    assert (row.kind, row.index_name, row.migration_name) == ("add", "i", "0002_add_i")
    # Not applied yet.
    assert services.measure_impact(analysis, window(10.0)) == Measured([])
    # Applied: noticed, and the window in which that happened says too little.
    second, _ = analysed(at=timezone.now() + timedelta(hours=1), baseline=analysis)
    (note,) = services.measure_impact(second, window(6.0, indexes=[index()])).notes
    assert "index public.i was made as recommended; what it did is not known yet" in note
    row.refresh_from_db()
    assert row.applied_at is not None
    assert row.outcome == ""
    # A window after it.
    third, _ = analysed(baseline=second)
    measured = services.measure_impact(third, window(1.0, indexes=[index()]))
    helped = "index public.i was made as recommended: 10.0 ms -> 1.00 ms per call (100 calls since)"
    assert measured == Measured([], (helped,))
    row.refresh_from_db()
    assert row.outcome == "fixed"
    assert ["ms per call after", 1.0] in row.measured


def counted(at, calls, total_ms, *, indexes):
    statement = Statement("7", "SELECT", calls, total_ms, 0, 0, 0, 0, 0)
    return msgspec.structs.replace(look(at), statements=(statement,), indexes=tuple(indexes))


@pytest.mark.django_db
def test_an_index_made_by_hand_under_another_name_is_the_one_that_was_recommended(given):
    definition = "btree (customer) WHERE (status = 'open'::text)"
    proof = replace(given.proof, definition=definition)
    first, seen = analysed(given.issue)
    services.record(Recommendations((replace(given, proof=proof),)), [], seen)

    def made(definition, **fields):
        return msgspec.structs.replace(
            index(), name="by hand", **{
                "definition": f'CREATE INDEX "by hand" ON public.orders USING {definition}',
                **fields,
            },
        )  # fmt: skip

    same = made(definition.replace(" WHERE", " WITH (fillfactor='70') WHERE"))
    others = [
        made(definition, table="lines"), made(definition, is_unique=True),
        made(definition, is_valid=False), made(definition.replace("customer", "customer DESC")),
        made(definition.partition(" WHERE")[0]), made(f"{definition[:16]} INCLUDE (at)"),
    ]  # fmt: skip
    for other in others:
        services.measure_impact(first, window(1.0, indexes=[other]))
        assert Stored.objects.get().applied_at is None, other
    later, _ = analysed(given.issue, at=timezone.now() + timedelta(hours=1), baseline=first)
    services.measure_impact(later, window(9.0, indexes=[*others, same]))
    third, _ = analysed(baseline=later)
    (advice,) = services.measure_impact(third, window(10.0, indexes=[same])).issues
    row = Stored.objects.get()
    assert (row.outcome, row.finding.status) == ("no effect", Finding.Status.RESOLVED)
    assert advice.statement == 'DROP INDEX CONCURRENTLY "public"."by hand";'
    # One whose definition can't be read, as its table is locked, is known by its name.
    hidden = msgspec.structs.replace(index(), definition="i (its table is locked)")
    assert services._index_of(row, [hidden]) is hidden


@pytest.mark.django_db
def test_an_index_to_drop_is_there_while_it_has_another_name(given):
    definition = "CREATE INDEX i ON public.orders USING btree (customer)"
    old = msgspec.structs.replace(index(), definition=definition)
    drop = replace(given, action="drop", proof=None, balance=None)
    first, seen = analysed(given.issue)
    services.record(Recommendations((drop,)), [old], seen)
    renamed = msgspec.structs.replace(old, name="j", is_valid=False)
    services.measure_impact(first, window(1.0, indexes=[renamed]))
    assert Stored.objects.get().applied_at is None
    services.measure_impact(first, window(1.0))
    assert Stored.objects.get().applied_at is not None


@pytest.mark.django_db
def test_the_verdict_comes_with_the_first_analysis_by_the_hourly_snapshots(given):
    first, seen = analysed(given.issue)
    services.record(Recommendations((given,)), [], seen)
    for at, calls, total_ms, indexes in (
        (120, 200, 2000.0, []), (140, 300, 3000.0, [index()]), (160, 350, 3050.0, [index()]),
    ):  # fmt: skip
        taken = counted(at, calls, total_ms, indexes=indexes)
        StoredSnapshot.objects.create(
            database="default", taken_at=to_datetime(at), packed=pack(taken, texts=10)
        )
    seen_by = difference.between(
        counted(100, 100, 1000.0, indexes=[]), counted(200, 400, 3100.0, indexes=[index()])
    )
    later, _ = analysed(given.issue, baseline=first)
    assert services.measure_impact(later, seen_by).issues == []
    row = Stored.objects.get()
    assert row.outcome == "fixed"
    assert dict(row.measured)["ms per call after"] == 1.0
    assert row.finding.status == Finding.Status.RESOLVED


@pytest.mark.django_db
def test_a_migration_that_applies_it_parts_what_came_before_from_what_comes_after(given):
    _, seen = analysed(given.issue)
    services.record(Recommendations((given,)), [], seen)

    def kept(**changes):
        Stored.objects.update(**changes)
        recommenders.after_migrate(using="default", apps=apps, plan=["a step"])
        return [snapshots.read(each) for each in StoredSnapshot.objects.all()]

    assert kept() == []
    (taken,) = kept(index_name="perfops_finding_pkey")
    assert any(each.name == "perfops_finding_pkey" for each in taken.indexes)
    # What is known to be applied has its counters already.
    assert len(kept(applied_at=timezone.now())) == 1


def test_statements_of_tables_with_other_indexes_are_counted_since_those_are_there(given):
    before = counted(100, 100, 1000.0, indexes=[])
    after = counted(200, 400, 3100.0, indexes=[index()])
    changed = impact.changed_tables(before.indexes, after.indexes)
    assert changed == {("public", "orders")}
    present = difference.between(counted(150, 300, 3000.0, indexes=[index()]), after)
    since = {each.queryid: each for each in present.statements}
    ((now,), later) = impact.at_present(given.statements, changed, since, times=2.0)
    # 100 calls of 1 ms each in half of the window.
    assert (now.calls, now.total_ms, later) == (200, 200.0, [])
    assert impact.at_present(given.statements, changed, {}, times=1.0) == (
        [],
        [given.statements[0]],
    )
    assert impact.at_present(given.statements, [], {}, times=1.0) == ([given.statements[0]], [])


@pytest.mark.django_db
def test_in_a_first_window_what_an_index_has_mended_since_counts_no_more(given):
    """Analysis, index, analysis again within the hour: the window is all that the counters hold."""
    after = counted(200, 400, 3100.0, indexes=[index()])
    whole = difference.since_reset(after)

    def judged():
        history = services._History.of(whole, "default")
        was = history.first_indexes()
        present = history.present(was)
        known, _, later = recommending._at_present(given.statements, whole, present, was)
        return [(each.calls, each.total_ms) for each in known], len(later)

    def keep(at, calls, total_ms, indexes):
        taken = pack(counted(at, calls, total_ms, indexes=indexes), texts=10)
        StoredSnapshot.objects.create(database="default", taken_at=to_datetime(at), packed=taken)

    assert judged()[1] == 0
    keep(100, 300, 3000.0, [])
    # Only this look has the index: how its statements do with it is not known yet.
    assert judged() == ([], 1)
    keep(150, 350, 3050.0, [index()])
    # 50 calls of 1 ms each in a quarter of the window.
    assert judged() == ([(200, 200.0)], 0)


@pytest.mark.django_db
@pytest.mark.parametrize(("mean_ms", "says"), [(10.0, "changed nothing"), (15.0, "slower")])
def test_what_did_not_help_is_a_finding_of_its_own(given, mean_ms, says):
    first, seen = analysed(given.issue, at=timezone.now() + timedelta(hours=1))
    services.record(Recommendations((given,)), [], seen)
    services.measure_impact(first, window(10.0, indexes=[index()]))
    later, _ = analysed(baseline=first)
    (advice,) = services.measure_impact(later, window(mean_ms, indexes=[index()])).issues
    assert advice.advisor == "index_impact"
    assert says in advice.title
    assert advice.statement == 'DROP INDEX CONCURRENTLY "public"."i";'


@pytest.mark.django_db
def test_what_is_recommended_again_is_measured_again(given):
    _, seen = analysed(given.issue)
    services.record(Recommendations((given,)), [], seen)
    Stored.objects.update(applied_at=timezone.now(), outcome="worse")
    _, seen = analysed(given.issue)
    services.record(Recommendations((given,)), [], seen)
    row = Stored.objects.get()
    assert (row.applied_at, row.outcome) == (None, "")
    assert Finding.objects.count() == 1
