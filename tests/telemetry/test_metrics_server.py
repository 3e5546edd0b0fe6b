"""`manage.py metrics_server`: a port of its own, for Prometheus."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def read(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def test_it_serves_metrics_and_its_own_health(tmp_path):
    port = free_port()
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
        deadline = time.monotonic() + 20
        while True:
            try:
                assert "ok" in read(f"http://127.0.0.1:{port}/health")
                break
            except urllib.error.URLError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        assert read(f"http://127.0.0.1:{port}/metrics") is not None
    finally:
        process.terminate()
        process.wait(10)


def test_a_port_in_use_is_a_sentence():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(CommandError, match="Can't listen on"):
            call_command("metrics_server", port=listener.getsockname()[1])
