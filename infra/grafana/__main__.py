"""Grafana's dashboards as code: ``python -m infra.grafana`` writes their JSON."""

from pathlib import Path

from infra.grafana.boards import api_performance, database_and_redis, golden_signals, load_runs
from infra.grafana.panels import text

# In the order a person looks at them.
DASHBOARDS = (
    golden_signals.DASHBOARD,
    api_performance.DASHBOARD,
    database_and_redis.DASHBOARD,
    load_runs.DASHBOARD,
)
FOLDER = Path(__file__).parent / "dashboards"


def main() -> None:
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard['uid']}.json").write_text(text(dashboard))


if __name__ == "__main__":
    main()
