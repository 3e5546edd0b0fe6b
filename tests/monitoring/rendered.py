"""The project's own configuration with other addresses, and a clock that runs faster.

Nothing else is changed: jobs, rules, routes, receivers and thresholds are what production gets.
"""

import re
from pathlib import Path

import yaml
from django.conf import settings

INFRA = settings.BASE_DIR / "infra"
# A fault must show within seconds: windows and waits of minutes become seconds.
WINDOWS = {"5m": "15s", "10m": "20s", "30m": "30s", "1h": "40s", "2h": "45s", "6h": "50s"}
SECRETS = "/tmp/"


def prometheus(folder: Path, *, targets: dict[str, str], alertmanager: str) -> Path:
    """Write prometheus.yml and its rules to ``folder``; ``targets``: address of each job."""
    config = yaml.safe_load((INFRA / "prometheus" / "prometheus.yml").read_text())
    config["global"] |= {
        # An exporter whose server is away takes a second to say so.
        "scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s",
    }  # fmt: skip
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
        for change in job.get("relabel_configs", []):
            if change.get("replacement") == "blackbox:9115":
                change["replacement"] = targets["blackbox"]
    (manager,) = config["alerting"]["alertmanagers"]
    manager["static_configs"] = [{"targets": [alertmanager]}]
    (folder / "rules").mkdir()
    for path in (INFRA / "prometheus" / "rules").glob("*.yml"):
        (folder / "rules" / path.name).write_text(hurried(path.read_text()))
    written = folder / "prometheus.yml"
    written.write_text(yaml.safe_dump(config, sort_keys=False))
    return written


def hurried(rules: str) -> str:
    rules = re.sub(r"\[(\w+)\]", lambda m: f"[{WINDOWS.get(m[1], '60s')}]", rules)
    rules = re.sub(r"offset \w+", "offset 20s", rules)
    rules = re.sub(r"\bfor: \w+", "for: 2s", rules)
    # The last heartbeat of a process that ended stays: its age of minutes becomes seconds.
    rules = re.sub(r"(heartbeat_timestamp_seconds\) >) \d+", r"\1 40", rules)
    # Seconds hold fewer requests than minutes.
    rules = rules.replace(">= 50\n", ">= 1\n")
    return re.sub(r"\binterval: \w+", "interval: 1s", rules)


def alertmanager(folder: Path, *, receiver: str) -> Path:
    """Write alertmanager.yml to ``folder``, with its secrets in files of their own."""
    text = (INFRA / "alertmanager" / "alertmanager.yml").read_text()
    for name in sorted(set(re.findall(rf"{SECRETS}(\w+)", text))):
        secret = folder / name
        secret.write_text(f"{receiver}/{name}\n")
        text = text.replace(f"{SECRETS}{name}", str(secret))
    text = re.sub(r"(group_wait|group_interval): \w+", r"\1: 1s", text)
    written = folder / "alertmanager.yml"
    written.write_text(text)
    return written
