"""docker-compose.yml, started as README says: what it must be able to do."""

import json
import urllib.request

import pytest

from tests.containers.stack import SERVICES, Stack

pytestmark = pytest.mark.containers


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        content: bytes = response.read()
    return content


def test_every_service_becomes_healthy(stack: Stack) -> None:
    containers = stack.engine.containers()
    assert set(containers) == {name for name in SERVICES if "profiles" not in SERVICES[name]}
    assert stack.unwell() == {}


def test_web_answers_on_loopback(stack: Stack) -> None:
    ready = json.loads(get("http://localhost:3001/ready"))
    assert ready["status"] == "ok", ready
    assert json.loads(get("http://localhost:3001/api/v1/profiles"))["items"] == []


def test_prometheus_scrapes_every_target(stack: Stack) -> None:
    def down() -> list[str]:
        found = json.loads(get("http://localhost:9090/api/v1/targets"))["data"]["activeTargets"]
        return [each["labels"]["job"] for each in found if each["health"] != "up"]

    stack.wait(lambda: down() == [], seconds=60)


def test_the_worker_takes_tasks(stack: Stack) -> None:
    """A load run of k6 in the worker, on web, through the stack's own network."""
    command = [
        "python",
        "manage.py",
        "run_load_test",
        "smoke",
        "--duration",
        "5",
        "--format",
        "json",
    ]
    ran = stack.engine.run("exec", stack.name("worker"), *command, timeout=180)
    assert json.loads(ran[ran.index("{") :])["status"] == "finished"
