"""`make run` in a clean clone leads to a judged load run in the admin."""

import os
import re
import signal
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.stack import PATIENCE_S, Admin, Newcomer

pytestmark = pytest.mark.e2e


def password(output: str) -> str:
    found = re.search(r"password[: ]+(\S+)", output)
    assert found, f"no password was shown:\n{output}"
    return found[1]


def check_what_a_newcomer_sees(person: Newcomer) -> None:
    assert re.search(r"\b(PASS|pass)\b", person.output), person.output
    assert "p95 latency" in person.output
    someone = check_what_is_there_without_a_run(person)
    runs = someone.get("/admin/perfops/loadrun/")
    run = re.search(r"/admin/perfops/loadrun/(\d+)/change/", runs)
    assert run, "the admin lists no run"
    page = someone.get(run[0])
    assert "<svg" in page
    assert "p95" in page


def check_what_is_there_without_a_run(person: Newcomer) -> Admin:
    assert f"127.0.0.1:{person.port}/admin/" in person.output
    someone = Admin(person.url)
    someone.log_in("admin", password(person.output))
    assert '"openapi"' in someone.get("/api/v1/openapi.json")
    someone.get("/health")
    with urllib.request.urlopen(f"http://127.0.0.1:{person.metrics_port}/metrics") as response:
        assert (
            'http_requests_total{method="GET",route="/health",status="200"}'
            in response.read().decode()
        )
    return someone


def test_another_user_gets_to_a_judged_run_and_ctrl_c_or_kill_9_leaves_nothing(another_user):
    """The servers that come with it run as that user; as root, all other tests start them."""
    person = another_user
    with person.make_run() as process:
        check_what_a_newcomer_sees(person)
        assert person.manage("check_budget").returncode == 0
        assert person.manage("analyze_db", "--format", "json").returncode in {0, 1}
        os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE_S)
    assert person.processes_left() == []

    person.environment["MIDST_SMOKE"] = "0"
    with person.make_run() as process:
        person.supervisor().kill()
        process.wait(PATIENCE_S)
    with person.make_run():
        profiles = person.manage("shell", "-v", "0", "-c", COUNT_PROFILES)
        assert profiles.stdout.strip() == "2000", profiles.stderr
        assert "shown once" not in person.output, "the admin user was made again"
    assert person.processes_left() == []


def test_root_with_servers_of_their_own_gets_there_too(newcomer, debian_postgres, debian_redis):
    # The other newcomer has shown that an empty cache of packages does.
    packages = os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))
    person = newcomer(
        DATABASE_URL=debian_postgres, REDIS_URL=debian_redis, UV_CACHE_DIR=packages,
        MIDST_SMOKE="0",
    )  # fmt: skip
    with person.make_run():
        check_what_is_there_without_a_run(person)
        profiles = person.manage("shell", "-v", "0", "-c", COUNT_PROFILES)
        assert profiles.stdout.strip() == "2000", profiles.stderr
        assert not (person.clone / ".midst" / "postgres").exists()
    assert person.processes_left() == []


COUNT_PROFILES = (
    "from profiles.models import Profile; "
    "print(Profile.objects.filter(owner__username__startswith='seed-').count())"
)
