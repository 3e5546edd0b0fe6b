"""Nothing stays *running* whose worker is dead."""

from perfops.services import claims, runs


def reap() -> int:
    """Call runs and analyses lost whose worker has fallen silent. Returns how many."""
    return runs.reap_lost_runs() + claims.reap()
