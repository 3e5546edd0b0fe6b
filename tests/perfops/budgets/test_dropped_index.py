"""check_budget --deterministic: a dropped index costs blocks, and has a migration to blame."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection, migrations, models
from django.http import JsonResponse
from django.urls import path

from perfops.budgets.deterministic import dropped
from perfops.budgets.deterministic.blocks import touched

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
INDEX = "django_session_expire_date_a5c62663"
HERE = "tests/perfops/budgets/test_dropped_index.py"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def ending(request):
    # An hour of 4,000.
    found = Session.objects.filter(expire_date__range=(FIRST, FIRST + timedelta(hours=1)))
    return JsonResponse({"keys": [each.session_key for each in found]})


urlpatterns = [path("ending/", ending)]


def git(*words):
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *words], check=True, capture_output=True)


@pytest.fixture
def sessions(tmp_path, monkeypatch, settings):
    """A repository with migrations of its own for sessions, and many sessions."""
    Session.objects.bulk_create(
        Session(session_key=f"key{n}", session_data="x" * 100,
                expire_date=FIRST + timedelta(hours=n))
        for n in range(4000)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE django_session")
    folder = tmp_path / "dropping"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "0001_initial.py").write_text(
        "from django.contrib.sessions.migrations import *\n"
        "from importlib import import_module\n"
        "Migration = import_module('django.contrib.sessions.migrations.0001_initial').Migration\n"
    )
    settings.MIGRATION_MODULES = {**settings.MIGRATION_MODULES, "sessions": "dropping"}
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    git("init", "--quiet")
    return folder


def check(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        call_command("check_budget", "--deterministic", "--format", "json", *arguments)
    return ended.value.code, json.loads(capsys.readouterr().out)


def test_a_dropped_index_fails_and_names_statement_line_index_migration_and_commit(
    sessions, capsys
):
    source = Path(__file__).read_text()
    (sessions.parent / HERE).parent.mkdir(parents=True)
    (sessions.parent / HERE).write_text(source)
    assert check(capsys, "--update")[0] == 0
    assert INDEX in (sessions.parent / "perfops-counts.json").read_text()
    git("add", ".")
    git("commit", "--quiet", "-m", "Counts")
    assert check(capsys)[0] == 0

    (sessions / "0002_lighter.py").write_text(
        "from django.db import migrations\n"
        "class Migration(migrations.Migration):\n"
        "    dependencies = [('sessions', '0001_initial')]\n"
        f"    operations = [migrations.RunSQL('DROP INDEX {INDEX}')]\n"
    )
    git("add", ".")
    git("commit", "--quiet", "-m", "Lighter writes")
    # A newer change of what the request executes is less likely.
    (sessions.parent / HERE).write_text(source.replace("An hour of 4,000.", "One hour."))
    git("commit", "--quiet", "--all", "-m", "A comment")
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {INDEX}")
    code, report = check(capsys)
    assert code == 1
    (broken,) = (each for each in report["budgets"] if each["outcome"] == "violated")
    assert broken["name"] == "blocks of /ending/"
    assert f"index {INDEX} is gone: sessions.0002_lighter drops it" in broken["reason"]
    (cause,) = report["causes"]
    assert f"index {INDEX} is gone: sessions.0002_lighter drops it" in cause["what"]
    assert "django_session" in cause["statement"]
    assert cause["site"].startswith(f"{HERE}:")
    assert cause["files"] == ["dropping/0002_lighter.py", HERE]
    assert [each.partition(" ")[2] for each in cause["commits"]] == ["Lighter writes", "A comment"]


def test_blocks_are_those_of_the_statement_and_by_index(sessions):
    text = "SELECT count(*) FROM django_session WHERE expire_date = now()"
    found = []
    for _ in range(3):
        with connection.cursor() as cursor, touched(connection, cursor.cursor, text) as its:
            cursor.execute(text)
        found.append((its.blocks, its.indexes))
    # The first may look at every index of the table.
    assert found[1] == found[2]
    assert found[2][1] == {INDEX}
    assert 1 <= found[2][0] <= 4


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_statement_without_a_transaction_is_counted_and_stays_one():
    text = "INSERT INTO django_session VALUES ('key', 'data', now())"
    with connection.cursor() as cursor, touched(connection, cursor.cursor, text) as its:
        cursor.execute(text)
    assert connection.get_autocommit()
    assert its.blocks > 0
    assert Session.objects.count() == 1


def test_what_can_not_be_within_a_transaction_is_not_counted():
    with connection.cursor() as cursor, touched(connection, cursor.cursor, "VACUUM") as its:
        pass
    assert its.blocks is None


@pytest.mark.parametrize(
    ("operation", "is_it"),
    [
        (migrations.RemoveIndex("session", INDEX), True),
        (migrations.RemoveIndex("session", "another"), False),
        (migrations.RemoveConstraint("session", INDEX), True),
        (migrations.RunSQL([f'DROP INDEX CONCURRENTLY IF EXISTS "{INDEX}"']), True),
        (migrations.RunSQL([(f"DROP INDEX {INDEX}", None)]), True),
        (migrations.RunSQL(f"CREATE INDEX {INDEX} ON django_session (expire_date)"), False),
        (migrations.RemoveField("session", "expire_date"), True),
        (migrations.AlterField("session", "expire_date", models.DateTimeField()), True),
        (
            migrations.AlterField("session", "expire_date", models.DateTimeField(db_index=True)),
            False,
        ),
        (migrations.RunPython(migrations.RunPython.noop), False),
    ],
)
def test_what_drops_an_index(operation, is_it):
    assert dropped.drops(operation, INDEX) == is_it
