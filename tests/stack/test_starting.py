"""`manage.py stack`: what can be wrong is said in a sentence."""

import json
import os
import signal
import stat
import subprocess
import sys

import psutil
import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from midst.stack import apps, plan, state
from midst.stack.run import HAD_ADMIN
from midst.stack.state import StackError
from profiles.models import Profile


def manage(folder, *command, **environment):
    """Run ``manage.py`` as a newcomer whose data lie in ``folder``."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE"}
    }
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=settings.BASE_DIR,
        env={**plain, "MIDST_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture
def folder(tmp_path):
    for parent in [tmp_path, *tmp_path.parents[:3]]:
        parent.chmod(parent.stat().st_mode | 0o055)
    return tmp_path


@pytest.mark.slow
def test_before_the_first_start_commands_say_what_to_do(folder):
    done = manage(folder, "migrate")
    assert done.returncode == 1
    assert "Run `make run`" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_up_status_and_down_and_settings_find_the_servers(folder):
    try:
        up = manage(folder, "stack", "up")
        assert up.returncode == 0, up.stderr
        assert up.stdout.count("running") == 2
        environment = folder / "environment.json"
        assert stat.S_IMODE(environment.stat().st_mode) == 0o600
        assert manage(folder, "check", "--database", "default").returncode == 0
        running = json.loads(manage(folder, "stack", "status", "--format", "json").stdout)
        assert [each["running"] for each in running["processes"]] == [True, True]
        assert manage(folder, "stack", "up").stdout == up.stdout, "a second `up` starts nothing"
        postgres, valkey = running["processes"]
        os.kill(valkey["pid"], signal.SIGKILL)
        psutil.wait_procs([psutil.Process(valkey["pid"])], timeout=10)
        again = manage(folder, "stack", "up").stdout
        assert again.count("running") == 2, "`up` starts what has ended beside what runs"
        assert f"pid {postgres['pid']} " in again
        assert f"pid {valkey['pid']} " not in again
        url = json.loads(environment.read_text())["REDIS_URL"]
        redis.Redis.from_url(url).ping()
    finally:
        down = manage(folder, "stack", "down")
    assert down.stdout.split() == ["valkey", "postgres"]
    assert manage(folder, "stack", "status").stdout.strip() == "Nothing runs."
    after = manage(folder, "migrate")
    assert after.returncode == 2
    assert "The database does not answer" in after.stderr
    assert "Traceback" not in after.stderr


def test_the_secret_key_stays_between_starts(folder, monkeypatch):
    monkeypatch.setattr(state, "FILE", folder / "environment.json")
    monkeypatch.setattr(state, "CALLER", {})
    first = plan.variables(plan.read(), {})
    state.write(first)
    assert plan.variables(plan.read(), {})["SECRET_KEY"] == first["SECRET_KEY"]
    assert json.loads((folder / "environment.json").read_text()) == first


def test_a_damaged_environment_file_is_named(folder):
    (folder / "environment.json").write_text("{")
    done = manage(folder, "check")
    assert done.returncode != 0
    assert "is damaged" in done.stderr


@pytest.mark.slow
def test_a_second_start_in_the_same_folder_is_refused(folder, monkeypatch):
    monkeypatch.setattr(state, "ROOT", folder)
    with state.only_one():
        done = manage(folder, "stack", "up")
    assert done.returncode == 1
    assert "Another `make run` is at work" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MIDST_PORT", "http"),
        ("MIDST_PORT", "70000"),
        ("MIDST_SMOKE", "yes"),
        ("MIDST_PROFILES", "0"),
    ],
)
def test_a_wrong_number_is_named(monkeypatch, name, value):
    monkeypatch.setattr(state, "CALLER", {name: value})
    with pytest.raises(CommandError, match=f"{name}={value!r} is not a whole number"):
        call_command("stack", "run")


def test_a_full_disk_is_a_sentence(folder, monkeypatch):
    monkeypatch.setattr(state, "ROOT", folder)
    monkeypatch.setattr(plan, "MIN_FREE_BYTES", 10**18)
    with pytest.raises(StackError, match="MB are free"):
        plan.check_ground(plan.Plan(port=1, metrics_port=2, profiles=1, smoke=False))


@pytest.mark.slow
def test_an_outside_server_that_is_away_is_a_sentence(folder):
    done = manage(
        folder, "stack", "run",
        DATABASE_URL="postgres://x:y@127.0.0.1:9/z", REDIS_URL="redis://127.0.0.1:9",
        MIDST_PORT="13001", METRICS_PORT="19464",
    )  # fmt: skip
    assert done.returncode == 1
    assert "The database does not answer" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "postgres").exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_an_empty_database_is_prepared_once(monkeypatch, capsys):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a-long-secret")
    call_command("prepare", profiles=20, admin="admin")
    assert User.objects.get(is_superuser=True).check_password("a-long-secret")
    with pytest.raises(SystemExit) as ended:
        call_command("prepare", profiles=40, admin="other", format="json")
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed == {"admin": "other", "admin_made": False}
    assert ended.value.code == HAD_ADMIN
    assert User.objects.filter(is_superuser=True).count() == 1
    assert Profile.objects.filter(owner__username__startswith="seed-").count() == 20


def test_preparing_without_a_password_is_refused(monkeypatch):
    monkeypatch.delenv("DJANGO_SUPERUSER_PASSWORD", raising=False)
    with pytest.raises(CommandError, match="DJANGO_SUPERUSER_PASSWORD"):
        call_command("prepare", profiles=20, admin="admin")


def test_the_check_knows_a_database_from_none(settings):
    assert apps.database_is_known() == []
