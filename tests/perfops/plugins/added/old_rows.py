"""An advisor of another app: it reports every table that was ever analysed by hand."""

from perfops.analysis.advisors.detection import DetectedIssue

ID = "added_tables"
TITLE = "Tables of the test package"
NEEDS = ("pg_stat_user_tables",)


def run(window, limits):
    return [
        DetectedIssue(
            advisor=ID,
            object=f"{table.schema}.{table.name}",
            severity="info",
            title=f"Table {table.name} was seen by the added advisor",
            why="It shows that an app can add an advisor.",
            remedy="Nothing to do.",
        )
        for table in window.after.tables
    ]
