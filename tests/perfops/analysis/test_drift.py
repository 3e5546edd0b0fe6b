"""What the models declare and the database lacks is found, and its remedy brings it back."""

from dataclasses import replace

import pytest
from django.db import connection, models
from django.db.migrations.recorder import MigrationRecorder

from perfops.analysis import drift
from perfops.analysis import services as analyses
from perfops.analysis.advisors import drift as advisor
from perfops.analysis.collectors import snapshot
from perfops.conf import Conf
from perfops.models.origins import QueryOrigin
from tests.perfops.analysis.problems import shapes
from tests.perfops.analysis.test_advisors import window

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
HARM = """
DROP INDEX perfops_origin_at;
ALTER TABLE perfops_queryorigin DROP CONSTRAINT perfops_origin_unique;
ALTER TABLE perfops_occurrence DROP CONSTRAINT "{key}";
DROP INDEX "{index}";
ALTER TABLE perfops_queryorigin RENAME function TO other;
CREATE INDEX by_hand ON perfops_queryorigin (calls);
ALTER TABLE perfops_queryorigin ADD CONSTRAINT few CHECK (calls < 1000000)
"""
UNDO = """
ALTER TABLE perfops_queryorigin RENAME other TO function;
DROP INDEX by_hand;
ALTER TABLE perfops_queryorigin DROP CONSTRAINT few
"""


def run(text):
    with connection.cursor() as cursor:
        for statement in filter(str.strip, text.split(";")):
            cursor.execute(statement)


def one(query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        ((value,),) = cursor.fetchall()
    return value


def issues():
    return advisor.run(replace(window(), drift=drift.find("default")), Conf())


def test_what_was_changed_by_hand_is_told_and_the_remedies_bring_it_back():
    assert issues() == []
    key = one(
        "SELECT conname FROM pg_constraint WHERE contype = 'f'"
        " AND conrelid = 'perfops_occurrence'::regclass AND confrelid = 'perfops_finding'::regclass"
    )
    index = one(
        "SELECT indexname FROM pg_indexes WHERE tablename = 'perfops_occurrence'"
        " AND indexdef LIKE '%(finding_id)'"
    )
    run(HARM.format(key=key, index=index))
    try:
        found = issues()
        # What is lost comes with what is done about it; what was added is one line.
        assert {(i.severity, i.object) for i in found} == {
            ("warning", "perfops_queryorigin.perfops_origin_at"),
            ("warning", "perfops_queryorigin.perfops_origin_unique"),
            ("warning", "perfops_occurrence.finding_id"),
            ("error", "perfops_queryorigin.function"),
            ("info", "perfops_queryorigin"),
        }
        objects = {i.object for i in found}
        scores = shapes.scores("drift", snapshot.take(light=True), objects, ill=objects)
        assert shapes.row("drift", scores) in shapes.DOCS.read_text(encoding="utf-8")
        (extra,) = [i.title for i in found if i.severity == "info"]
        assert all(word in extra for word in ("column other", "index by_hand", "constraint few"))
        report = analyses.analyse(store=False, only=[advisor.ID])
        assert {i.fingerprint for i in report.issues} == {i.fingerprint for i in found}
        for each in found:
            run(each.statement)
    finally:
        run(UNDO)
    assert issues() == []


def test_migrations_that_are_not_applied_or_not_known_tell_for_their_apps():
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("perfops", "0016_origins_repeated")
    recorder.record_applied("taxonomy", "9999_of_newer_code")
    run("ALTER TABLE perfops_queryorigin RENAME repeated_calls TO other")
    try:
        found = issues()
    finally:
        run("ALTER TABLE perfops_queryorigin RENAME other TO repeated_calls")
        recorder.record_unapplied("taxonomy", "9999_of_newer_code")
        recorder.record_applied("perfops", "0016_origins_repeated")
    missing, *others = sorted((i.object, i.severity) for i in found if i.severity != "info")
    # The column that it makes is not told beside it.
    assert missing == ("migrations of perfops", "warning")
    assert others == [("migrations of taxonomy", "warning")]


def test_a_name_longer_than_the_server_keeps_is_no_difference(monkeypatch):
    long = models.CheckConstraint(condition=models.Q(calls__gte=0), name="perfops_" + "long" * 15)
    declared = [*QueryOrigin._meta.constraints, long]
    monkeypatch.setattr(QueryOrigin._meta, "constraints", declared)
    with connection.schema_editor() as editor:
        editor.add_constraint(QueryOrigin, long)
    try:
        assert issues() == []
    finally:
        with connection.schema_editor() as editor:
            editor.remove_constraint(QueryOrigin, long)
