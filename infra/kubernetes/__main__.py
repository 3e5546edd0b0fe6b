"""Prometheus' rules for its operator: ``python -m infra.kubernetes`` writes ``base/rules.yaml``."""

from pathlib import Path

import yaml

RULES = Path(__file__).parents[1] / "prometheus" / "rules"
FILE = Path(__file__).parent / "base" / "rules.yaml"


def text() -> str:
    """Return our rule files as one PrometheusRule."""
    groups = [
        group
        for path in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
    ]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "midst"},
        "spec": {"groups": groups},
    }
    return "# Written by `python -m infra.kubernetes`.\n" + yaml.safe_dump(
        rule, sort_keys=False, width=200
    )


if __name__ == "__main__":
    FILE.write_text(text())
