"""Write the dashboards' JSON to ``infra/grafana/dashboards/``."""

from pathlib import Path

from infra.grafana.boards import DASHBOARDS
from infra.grafana.panels import text

FOLDER = Path(__file__).parent / "dashboards"


def main() -> None:
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard['uid']}.json").write_text(text(dashboard))


if __name__ == "__main__":
    main()
