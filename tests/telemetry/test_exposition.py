"""What Prometheus scrapes is right over all processes, and only for those who may."""

import os
import subprocess
import sys
import threading
import urllib.request
from urllib.error import HTTPError

import pytest
from django.test import Client
from prometheus_client import parser as plain_parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from midst.telemetry import exposition

COUNT_REQUESTS = """
import django; django.setup()
from django.test import Client
for _ in range({n}):
    Client().get("/health")
"""


def in_a_process_of_its_own(code: str, directory: str) -> str:
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": directory,
        "DJANGO_SETTINGS_MODULE": "midst.settings.test",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_totals_add_up_over_processes_that_have_ended(tmp_path):
    for n in (3, 4):
        in_a_process_of_its_own(COUNT_REQUESTS.format(n=n), str(tmp_path))
    text = in_a_process_of_its_own(
        "from midst.telemetry import exposition; print(exposition.render('')[0].decode())",
        str(tmp_path),
    )
    assert 'http_requests_total{method="GET",route="/health",status="200"} 7.0' in text
    assert 'http_request_duration_seconds_count{method="GET",route="/health"} 7.0' in text


@pytest.fixture
def address():
    server = exposition.server("127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_metrics_server_answers_scrapes_and_probes(address, client: Client):
    client.get("/health")
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as response:
        assert "http_requests_total" in response.read().decode()
    with urllib.request.urlopen(f"{address}/health", timeout=10) as response:
        assert response.read() == b'{"status":"ok"}'


def test_the_metrics_server_speaks_openmetrics_when_asked(address):
    request = urllib.request.Request(
        f"{address}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        assert response.read().rstrip().endswith(b"# EOF")


PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "parse"),
    [(PROMETHEUS_3, openmetrics_parser), ("", plain_parser)],
    ids=["Prometheus 3", "anyone"],
)
def test_the_reference_parser_reads_every_scrape(address, client: Client, accept, parse):
    client.get("/health")
    client.get("/nowhere")
    request = urllib.request.Request(f"{address}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as response:
        text = response.read().decode()
    families = {family.name for family in parse.text_string_to_metric_families(text)}
    assert {"http_requests", "http_request_duration_seconds"} <= families


@pytest.mark.parametrize("path", ["/metrics", "/health"])
def test_the_metrics_server_answers_head_without_a_body(address, path):
    request = urllib.request.Request(address + path, method="HEAD")
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) > 0
        assert response.read() == b""


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "DELETE"])
def test_the_metrics_server_refuses_other_methods(address, method):
    request = urllib.request.Request(f"{address}/metrics", method=method)
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert (refused.value.code, refused.value.headers["Allow"]) == (405, "GET, HEAD")
    refused.value.close()


def test_metrics_on_the_api_port_are_for_listed_addresses(client: Client):
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 404


def test_a_forwarded_address_opens_nothing(client: Client):
    answer = client.get("/metrics", REMOTE_ADDR="203.0.113.9", HTTP_X_FORWARDED_FOR="127.0.0.1")
    assert answer.status_code == 404


def test_metrics_on_the_api_port_are_closed_by_default(client: Client, settings):
    settings.METRICS_ALLOW = []
    assert client.get("/metrics").status_code == 404
