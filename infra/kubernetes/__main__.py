"""Prometheus' rules for its operator: ``python -m infra.kubernetes`` writes ``base/rules.yaml``."""

from pathlib import Path

RULES = Path(__file__).parents[1] / "prometheus" / "rules"
FILE = Path(__file__).parent / "base" / "rules.yaml"


HEAD = """\
# Written by `python -m infra.kubernetes` from infra/prometheus/rules.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: { name: midst }
spec:
  groups:
"""


def text() -> str:
    """Return our rule files as one PrometheusRule: the lines below their ``groups:``, indented."""
    lines = [
        line
        for path in sorted(RULES.glob("*.yml"))
        for line in path.read_text().split("\ngroups:\n", 1)[1].splitlines()
    ]
    return HEAD + "".join(f"  {line}".rstrip() + "\n" for line in lines)


if __name__ == "__main__":
    FILE.write_text(text())
