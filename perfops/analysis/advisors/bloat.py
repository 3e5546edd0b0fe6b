"""Tables and B-tree indexes that are mostly air."""

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.states import Bloat
from perfops.conf import Conf
from perfops.formatting import identifier, megabytes

ID = "bloat"
TITLE = "Bloat of tables and indexes"
NEEDS = ("bloat",)

_REMEDIES = {
    "table": (
        "Find what keeps vacuum from its work (long transactions, autovacuum turned off or too "
        "slow), else it comes back. To give the room back: pg_repack, which works beside others; "
        "VACUUM FULL locks the table for as long as it takes."
    ),
    "index": "Build it anew beside the old one: others go on reading and writing.",
}


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    return [
        _advice(bloat)
        for bloat in window.after.bloat
        if bloat.wasted >= limits.BLOAT_MIN_BYTES and bloat.share >= limits.BLOAT_SHARE
    ]


def _advice(bloat: Bloat) -> DetectedIssue:
    name = identifier(bloat.schema, bloat.name)
    is_index = bloat.kind == "index"
    return DetectedIssue(
        advisor=ID,
        object=bloat.qualified,
        severity="warning",
        title=(
            f"{megabytes(bloat.wasted):,} of {megabytes(bloat.bytes):,} MB of the {bloat.kind} "
            f"{bloat.qualified} hold nothing"
        ),
        evidence={
            "size in MB": megabytes(bloat.bytes),
            "of no use in MB": megabytes(bloat.wasted),
            "share": f"{bloat.share:.0%}",
            "how known": "measured by pgstattuple" if bloat.exact else "estimated",
        },
        why="Scans read it, the cache holds it, backups copy it.",
        remedy=_REMEDIES[bloat.kind],
        statement=f"REINDEX INDEX CONCURRENTLY {name};" if is_index else "",
    )
