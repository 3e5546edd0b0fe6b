"""`manage.py metrics_server`: a port of its own, for Prometheus."""

import os
import socket
import subprocess
import sys
import urllib.request

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from midst.stack import ports
from tests.telemetry.conftest import wait_for
from tests.telemetry.processes import PATIENCE_S


def read(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def is_well(url):
    try:
        return "ok" in read(f"{url}/health")
    except OSError:
        return False


@pytest.mark.slow
def test_it_serves_metrics_and_its_own_health(tmp_path):
    port = ports.choose(None)
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "metrics_server", "--port", str(port)],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "midst.settings.test",
            "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        },
    )
    try:
        wait_for(lambda: is_well(url), "the metrics server")
        assert read(f"{url}/metrics") is not None
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def test_a_port_in_use_is_a_sentence():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(CommandError, match="Can't listen on"):
            call_command("metrics_server", port=listener.getsockname()[1])
