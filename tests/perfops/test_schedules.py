"""The schedules: in beat's tables when those are migrated, else lines for cron."""

import shlex

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command, get_commands
from django.db.migrations import Migration
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from midst.celery import app
from perfops import schedules
from perfops.management.commands.perfops_task import TASKS

pytestmark = pytest.mark.django_db


def migrated(name, label="perfops", *, backwards=False, using="default"):
    plan = [(Migration(name, label), backwards)]
    schedules.after_migrate(apps=apps, using=using, plan=plan)


def ours():
    found = PeriodicTask.objects.filter(name__startswith="perfops:")
    return set(found.values_list("name", flat=True))


def test_a_project_that_adds_beat_later_gets_them():
    PeriodicTask.objects.all().delete()
    migrated("0001_initial", "auth")
    assert not ours()
    migrated("0019_alter_periodictasks_options", "django_celery_beat")
    assert ours() == set(schedules.NAMES)


def test_what_somebody_edited_stays():
    PeriodicTask.objects.filter(name="perfops: weekly analysis").update(enabled=False)
    migrated("0007_more")
    assert not PeriodicTask.objects.get(name="perfops: weekly analysis").enabled


def test_rows_of_others_are_neither_needed_to_be_unique_nor_taken_over(settings):
    PeriodicTask.objects.all().delete()
    CrontabSchedule.objects.all().delete()
    for zone in ("Asia/Kolkata", "America/Lima"):
        CrontabSchedule.objects.create(minute="0", hour="3", timezone=zone)
    for _ in range(2):
        IntervalSchedule.objects.create(every=schedules.REAPER_EVERY_S, period="seconds")
    migrated("0007_more")
    migrated("0008_more")
    assert ours() == set(schedules.NAMES)
    daily = PeriodicTask.objects.get(name="perfops: daily smoke run").crontab
    assert (daily.hour, str(daily.timezone)) == ("3", settings.TIME_ZONE)
    assert CrontabSchedule.objects.count() == 2 + len(schedules.SCHEDULES)


def test_schedules_are_all_made_or_none(monkeypatch):
    PeriodicTask.objects.all().delete()
    monkeypatch.setattr(schedules, "REAPER_EVERY_S", "soon")
    with pytest.raises(ValueError, match="soon"):
        migrated("0007_more")
    assert not ours()


def test_flush_sends_no_models_and_changes_nothing():
    schedules.after_migrate(using="default", verbosity=1)
    assert ours() == set(schedules.NAMES)


def test_they_go_with_our_first_migration():
    migrated("0006_index_advice", backwards=True)
    assert ours() == set(schedules.NAMES)
    migrated("0001_initial", backwards=True)
    assert not ours()


def test_load_is_off_where_there_is_no_scenario(settings, tmp_path, capsys):
    PeriodicTask.objects.all().delete()
    settings.PERFOPS = {**settings.PERFOPS, "SCENARIO_DIR": tmp_path}
    migrated("0001_initial")
    off = PeriodicTask.objects.filter(enabled=False).values_list("name", flat=True)
    assert set(off) == {
        "perfops: daily smoke run", "perfops: monthly stress run", "perfops: nightly A/A test",
    }  # fmt: skip
    call_command("perfops_task")
    lines = capsys.readouterr().out.splitlines()
    load = [line for line in lines if "run_load_test" in line]
    assert len(load) == 2
    assert all(line.startswith("# ") for line in load)


def test_every_schedule_names_what_there_is():
    app.loader.import_default_modules()
    for each in schedules.SCHEDULES:
        assert each.task in app.tasks
        command, *words = shlex.split(each.command)
        assert command in get_commands()
        if command == "perfops_task":
            assert words[0] in TASKS
            assert each.task == f"perfops.{words[0]}"


@pytest.mark.parametrize("name", TASKS)
def test_a_task_runs_without_celery(name):
    call_command("perfops_task", name)


def test_a_task_of_an_unknown_database_says_which_there_are():
    with pytest.raises(CommandError, match="there is: default") as refused:
        call_command("perfops_task", "take_snapshot", "--database", "nope")
    assert refused.value.returncode == 2
