"""A small real Prometheus with the project's own alerts."""

import contextlib
import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import yaml

from midst.stack import privileges
from tests.e2e.conftest import free_port
from tests.monitoring import rendered
from tests.monitoring.programs import program, wait_until_ready


@contextlib.contextmanager
def watching(folder: Path, *, up: str, down: str) -> Iterator[str]:
    """Yield its HOST:PORT once it has scraped both targets and RedisDown is on its way."""
    address = f"127.0.0.1:{free_port()}"
    alerts = folder / "alerts.yml"
    alerts.write_text(
        rendered.hurried((rendered.INFRA / "prometheus/rules/alerts.yml").read_text())
    )
    config = {
        "global": {
            "scrape_interval": "2s",
            "scrape_timeout": "2s",
            "evaluation_interval": "1s",
            "external_labels": {"runbooks": "https://example.org/runbooks"},
        },
        "rule_files": [str(alerts)],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [target]}]}
            for name, target in (("prometheus", address), ("midst", up), ("gone", down))
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        program("prometheus"), f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            privileges.bound(command, death=signal.SIGKILL), stdout=log, stderr=log
        )
    try:
        wait_until_ready(address)
        deadline = time.monotonic() + 60
        while not _is_watching(address):
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def _is_watching(address: str) -> bool:
    targets = _ask(address, "targets")["activeTargets"]
    health = {target["labels"]["job"]: target["health"] for target in targets}
    alerts = [alert["labels"]["alertname"] for alert in _ask(address, "alerts")["alerts"]]
    expected = {"prometheus": "up", "midst": "up", "gone": "down"}
    return health == expected and "RedisDown" in alerts


def _ask(address: str, path: str):
    with urllib.request.urlopen(f"http://{address}/api/v1/{path}", timeout=10) as answer:
        return json.load(answer)["data"]
