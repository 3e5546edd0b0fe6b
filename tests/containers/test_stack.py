"""docker-compose.yml, started as README says: what it must be able to do."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import Message

import pytest

from tests.containers.stack import SERVICES, Stack

pytestmark = pytest.mark.containers
# Caddy's own authority made the certificate of localhost.
UNVERIFIED = ssl.create_default_context()
UNVERIFIED.check_hostname = False
UNVERIFIED.verify_mode = ssl.CERT_NONE


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: object) -> None:
        return None


def ask(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, Message, bytes]:
    """Return status, headers and content, whatever the status is."""
    opener = urllib.request.build_opener(
        NoRedirects(), urllib.request.HTTPSHandler(context=UNVERIFIED)
    )
    try:
        answer = opener.open(urllib.request.Request(url, headers=dict(headers or {})), timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, answer.read()


def test_every_service_becomes_healthy(
    stack: Stack, record_property: Callable[[str, object], None]
) -> None:
    for service, seconds in stack.well_after_s.items():
        record_property(f"{service}: well after (s)", seconds)
    assert set(stack.engine.containers()) == set(SERVICES)
    assert stack.unwell() == {}


def test_web_is_well_and_answers_whatever_host_a_probe_names(stack: Stack) -> None:
    for host in ("localhost", "10.244.1.17:3001"):
        status, _, content = ask("http://127.0.0.1:3001/ready", {"Host": host})
        assert status == 200, content
    assert ask("http://127.0.0.1:3001/api/v1/profiles", {"Host": "10.244.1.17:3001"})[0] == 400


def test_prometheus_scrapes_every_target_and_its_probes_succeed(stack: Stack) -> None:
    def others(expr: str) -> list[dict[str, str]]:
        """Return the labels of what is not 1; of nothing at all, the name of what is missing."""
        _, _, content = ask(f"http://127.0.0.1:9090/api/v1/query?query={expr}")
        found = json.loads(content)["data"]["result"]
        return [e["metric"] for e in found if e["value"][1] != "1"] if found else [{"no": expr}]

    for expr in ("up", "probe_success"):
        try:
            stack.wait(lambda expr=expr: not others(expr), seconds=120)
        except AssertionError as error:
            raise AssertionError(f"{expr} is not 1 for {others(expr)}") from error


def test_the_proxy_redirects_to_https_and_says_so_for_a_year(stack: Stack) -> None:
    status, headers, _ = ask("http://localhost/api/v1/profiles")
    assert (status, headers["Location"]) == (308, "https://localhost/api/v1/profiles")
    status, headers, _ = ask("https://localhost/api/v1/profiles")
    assert status == 200
    assert headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("path", ["/metrics", "/ready"])
def test_the_proxy_keeps_inside_what_is_for_those_inside(stack: Stack, path: str) -> None:
    assert ask(f"https://localhost{path}")[0] == 404


def test_the_admin_and_its_static_files_come_through_the_proxy(stack: Stack) -> None:
    status, headers, page = ask("https://localhost/admin/login/")
    assert status == 200
    assert "Secure" in headers["Set-Cookie"]
    style = page.decode().split('rel="stylesheet" href="')[1].split('"')[0]
    assert ask(f"https://localhost{style}")[0] == 200


# Runs in beat, whose address is a client's as any other: this machine's is exempt here.
CLIENT = """
import http.client, json, socket, ssl
connection = http.client.HTTPSConnection("localhost")
connection.sock = ssl._create_unverified_context().wrap_socket(
    socket.create_connection(("proxy", 443)), server_hostname="localhost")
def ask(method, path, body=None, claimed="203.0.113.1"):
    headers = {"X-Forwarded-For": claimed, "Content-Type": "application/json"}
    connection.request(method, path, body and json.dumps(body), headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status
"""
CLAIM = """
statuses = set()
for number in range(1500):
    claimed = f"203.0.{number // 250}.{number % 250}"
    statuses.add(ask("GET", "/api/v1/taxonomy/epochs", claimed=claimed))
    if 429 in statuses:
        break
print(sorted(statuses))
"""
GUESS = """
guess = {"username": "somebody", "password": "wrong"}
answers = (ask("POST", "/api/v1/auth/token", guess, f"203.0.113.{n}") for n in range(40))
print(next((status for status in answers if status != 401), 401))
"""


def from_elsewhere(stack: Stack, statements: str) -> str:
    """Return what ``statements`` print; they may ``ask`` the proxy from an address of their own."""
    said = stack.engine.run("exec", stack.name("beat"), "python", "-c", CLIENT + statements)
    return said.strip()


def test_guesses_at_an_account_delay_the_address_they_come_from_and_no_other(stack: Stack) -> None:
    """Whatever address the header claims."""
    assert from_elsewhere(stack, GUESS) == "429"
    body = json.dumps({"username": "somebody", "password": "wrong"}).encode()
    here = urllib.request.Request(
        "https://localhost/api/v1/auth/token", body, {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(here, timeout=20, context=UNVERIFIED)
    # What is left open fails whatever test runs when it is collected.
    refused.value.close()
    assert refused.value.code == 401


def answers_well(times: int) -> bool:
    """Return whether the proxy has a page, ``times`` times in a row."""
    try:
        return all(ask("https://localhost/api/v1/profiles")[0] == 200 for _ in range(times))
    except OSError:
        return False


def test_while_one_web_hangs_the_other_one_answers(stack: Stack) -> None:
    hung = stack.name("web-2")
    stack.engine.run("pause", hung)
    try:
        # Ten in a row: by chance alone, none of them to the one that hangs, is 1 of 1,000.
        stack.wait(lambda: answers_well(10), seconds=120)
    finally:
        stack.engine.run("unpause", hung)
    stack.wait(lambda: not stack.unwell(), seconds=120)


def test_an_address_that_a_client_makes_up_does_not_reach_web(stack: Stack) -> None:
    """It is limited by its real address, whatever the header says (300 a minute)."""
    assert from_elsewhere(stack, CLAIM) == "[200, 429]"


def test_k6_in_the_worker_reaches_web_and_is_not_limited(stack: Stack) -> None:
    """Its requests are counted on nobody: the answers name no limit."""
    script = (
        "import urllib.request as u; answer = u.urlopen('http://web:3001/api/v1/taxonomy/epochs');"
        "print(answer.status, answer.headers['RateLimit'])"
    )
    answered = stack.engine.run("exec", stack.name("worker"), "python", "-c", script)
    assert answered.strip() == "200 None"


def test_the_worker_takes_what_beat_sends(stack: Stack) -> None:
    stack.wait(lambda: "reap_lost_runs" in stack.engine.logs([stack.name("worker")]), seconds=60)


def test_a_service_that_ends_is_started_again(stack: Stack) -> None:
    def started() -> str:
        at: str = stack.engine.containers()["beat"]["State"]["StartedAt"]
        return at

    before = started()
    stack.engine.run("exec", stack.name("beat"), "sh", "-c", "kill 1")
    stack.wait(lambda: started() != before and stack.unwell() == {}, seconds=120)


def test_no_process_of_ours_or_of_redis_is_root(stack: Stack) -> None:
    stack.wait(lambda: stack.unwell() == {}, seconds=120)
    for service in ("web", "worker", "beat", "metrics", "redis", "prometheus", "alertmanager"):
        name = stack.name(service)
        owner = stack.engine.run("exec", name, "sh", "-c", "id -u").strip()
        assert owner != "0", service


def test_the_image_lists_its_packages(stack: Stack) -> None:
    listed = json.loads(stack.engine.run("exec", stack.name("beat"), "cat", "sbom.cdx.json"))
    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.5")
    packages = {each["name"]: each["version"] for each in listed["components"]}
    there = "import importlib.metadata as m; print(m.version('django'))"
    there = stack.engine.run("exec", stack.name("beat"), "python", "-c", there)
    assert packages["django"] == there.strip()
    assert "pytest" not in packages
