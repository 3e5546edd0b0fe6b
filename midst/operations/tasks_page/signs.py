"""The signs of life of workers and beat, from the metrics that all processes share."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import time

from midst.operations.durations import duration_text

_WORKER = "celery_worker_heartbeat_timestamp_seconds"
_BEAT = "celery_beat_heartbeat_timestamp_seconds"
NAMES = (_WORKER, _BEAT)
# Workers give a sign of life every two seconds, beat with each task: one is due every 15 s.
_SILENT_S = {_WORKER: 60.0, _BEAT: 120.0}


@dataclass(frozen=True, slots=True)
class Sign:
    """``age_s``: since the newest sign of life that this machine's metrics know of; None: none."""

    name: str
    age_s: float | None
    silent_after_s: float

    @property
    def is_silent(self) -> bool:
        return self.age_s is None or self.age_s > self.silent_after_s

    @property
    def age_text(self) -> str:
        if self.age_s is None:
            return "no sign of life"
        return f"{'silent for' if self.is_silent else 'alive'} {duration_text(self.age_s)}" + (
            "" if self.is_silent else " ago"
        )


def read(counted: Mapping[str, Mapping[str, float]]) -> list[Sign]:
    """Return the signs of the worker and of beat; ``counted``: the totals of ``NAMES``."""
    found = []
    for name, metric in (("Worker", _WORKER), ("Beat", _BEAT)):
        newest = max(counted[metric].values(), default=0.0)
        age_s = max(0.0, time() - newest) if newest else None
        found.append(Sign(name, age_s, _SILENT_S[metric]))
    return found
