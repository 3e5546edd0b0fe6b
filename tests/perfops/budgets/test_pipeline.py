"""The page about the monitoring pipeline, with a real Prometheus and with ones that misbehave."""

import contextlib
import http.server
import json
import threading

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from perfops.budgets.prometheus import pipeline
from perfops.budgets.prometheus.pipeline import NoAnswer, Prometheus
from tests.monitoring.watching import watching

URL = reverse("admin:perfops_pipeline")
METRICS = """\
pg_up 1
redis_up 0
pg_exporter_last_scrape_error 0
celery_queue_depth{queue="celery"} 3
celery_queue_depth{queue="slow"} 1
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A Prometheus that scrapes itself, a target with our metrics, and one that is gone."""
    with serving(lambda path: (200, METRICS.encode())) as target:
        folder = tmp_path_factory.mktemp("prometheus")
        with watching(folder, up=target, down="127.0.0.1:9") as address:
            yield f"http://{address}"


class serving:  # noqa: N801 -- reads as a word at its call
    """An HTTP server for the time of the ``with``; ``answer(path)`` gives (status, body)."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status, body = answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                # Who asked may have gone: that is what some of these tests are about.
                with contextlib.suppress(BrokenPipeError):
                    self.wfile.write(body)

            def log_message(self, *args):
                """Not a word."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return f"127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *exception):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def configured(settings):
    def at(url, timeout_s=5.0):
        settings.PERFOPS = {
            **settings.PERFOPS, "PROMETHEUS_URL": url, "PROMETHEUS_TIMEOUT_S": timeout_s,
        }  # fmt: skip

    return at


def test_targets_alerts_and_figures_are_those_that_prometheus_knows(watched, configured):
    configured(watched)
    state = pipeline.state()
    assert state.problem == ""
    health = {target.job: target.health for target in state.targets}
    assert health == {"prometheus": "up", "midst": "up", "gone": "down"}
    (gone,) = (target for target in state.targets if target.job == "gone")
    assert "connection refused" in gone.error
    assert all(target.at for target in state.targets)
    (alert,) = (alert for alert in state.alerts if alert.name == "RedisDown")
    assert alert.severity == "critical"
    assert alert.runbook == "https://example.org/runbooks/RedisDown.md"
    figures = {figure.name: figure for figure in state.figures}
    assert figures["Servers out of reach"].value == 1
    assert figures["Exporters' errors"].value == 0
    assert (figures["Waiting tasks"].value, figures["Waiting tasks"].note) == (
        4, "celery: 3, slow: 1",
    )  # fmt: skip
    assert figures["Dropped spans"].value is None


@pytest.mark.django_db
def test_the_page_shows_them(admin_client, watched, configured, django_assert_max_num_queries):
    configured(watched)
    with django_assert_max_num_queries(10):
        page = admin_client.get(URL).content.decode()
    for part in (
        "some targets are down", "2 of 3 targets are up", "connection refused", " ago",
        "Redis can&#x27;t be reached", "not measured",
        'href="https://example.org/runbooks/RedisDown.md"',
    ):  # fmt: skip
        assert part in page


@pytest.mark.django_db
def test_without_an_address_the_page_says_what_to_do(admin_client, configured):
    configured("")
    page = admin_client.get(URL).content.decode()
    assert "not configured" in page
    assert "PERFOPS_PROMETHEUS_URL" in page
    assert "<table" not in page.partition('class="po-page"')[2]


def unanswered(url, configured, timeout_s=5.0):
    configured(url, timeout_s)
    state = pipeline.state()
    assert not state.targets
    return state.problem


@pytest.mark.django_db
def test_one_that_is_away_is_said_and_nothing_breaks(admin_client, configured):
    configured("http://127.0.0.1:9")
    page = admin_client.get(URL).content.decode()
    assert "no answer" in page
    assert "127.0.0.1:9 can&#x27;t be reached" in page


def test_one_that_is_slow_is_not_waited_for(configured):
    never = threading.Event()
    with serving(lambda path: (never.wait(20), (200, b""))[1]) as address:
        problem = unanswered(f"http://{address}", configured, timeout_s=0.2)
        never.set()
    assert "did not answer in 0.2 s" in problem


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"data": {}}', b'{"data": {"activeTargets": [{"labels": 1}]}}']
)
def test_another_server_at_that_address_is_said(configured, body):
    with serving(lambda path: (200, body)) as address:
        assert "is not Prometheus&#x27;".replace("&#x27;", "'") in unanswered(
            f"http://{address}", configured
        )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"sorry", "answers 503: Service Unavailable"),
        (json.dumps({"error": "TSDB not ready"}).encode(), "answers 503: TSDB not ready"),
    ],
)
def test_an_error_comes_with_its_reason(configured, body, says):
    with serving(lambda path: (503, body)) as address:
        assert says in unanswered(f"http://{address}", configured)


@pytest.mark.parametrize("url", ["prometheus:9090", "file:///etc/passwd", "nonsense"])
def test_what_is_no_address_is_never_opened(configured, url):
    assert "it must begin with http://" in unanswered(url, configured)


def test_a_question_it_does_not_understand_comes_back_with_its_words(watched):
    with pytest.raises(NoAnswer, match="parse error") as refused:
        Prometheus(watched, timeout_s=5).query("sum(")
    # An answer left open is a warning of whatever runs when it is collected.
    assert refused.value.__cause__.fp.closed


def test_a_password_in_the_address_is_not_shown():
    assert Prometheus("http://me:secret@prometheus:9090/", timeout_s=1).address == "prometheus:9090"


@pytest.mark.django_db
@pytest.mark.parametrize(("permissions", "status"), [((), 403), (("view_loadrun",), 200)])
def test_only_who_may_see_runs_sees_it(client, configured, permissions, status):
    configured("")
    user = User.objects.create_user("someone", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    assert client.get(URL).status_code == status


@pytest.mark.django_db
def test_the_index_of_perfops_leads_there(admin_client):
    index = admin_client.get(reverse("admin:app_list", args=["perfops"])).content.decode()
    assert f'href="{URL}"' in index
