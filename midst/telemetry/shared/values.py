"""Puts every number of prometheus_client into this process' segment.

``values.ValueClass`` is the library's own seam (its README tells uWSGI to replace it); so all
metrics, those of other packages too, are shared in one way. The library's class looks up the
process number at each step and throws exemplars away.
"""

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from threading import RLock
from typing import Any

from prometheus_client import values
from prometheus_client.samples import Exemplar

from midst.telemetry.shared.segment import Segment

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# A record of its own, made when a bucket gets its first exemplar: time, value, and the trace
# id in four parts of 32 bits, which a float holds exactly.
EXEMPLAR_MARK = b"#"
EXEMPLAR_CELLS = 6
_MASK = 0xFFFFFFFF

log = logging.getLogger(__name__)


class _Process:
    """This process' segment, made when the first number needs it, and anew after a fork."""

    def __init__(self) -> None:
        # Garbage collection may end a connection, and count it, in the midst of our own work.
        self.lock = RLock()
        self.values: list[SharedValue] = []
        self.segment: Segment | None = None

    def place(self, value: "SharedValue") -> None:
        with self.lock:
            if self.segment is None:
                self.segment = _open()
            value.index = self.segment.add(value.key, 1)
            self.values.append(value)

    def forked(self) -> None:
        """The lock may be held by a thread that was not forked; the segment is our parent's."""
        self.lock = RLock()
        if self.segment is None:
            return
        self.segment = _open()
        for value in self.values:
            value.index = self.segment.add(value.key, 1)
            value.exemplar_index = 0


process = _Process()
os.register_at_fork(after_in_child=process.forked)


def directory() -> Path | None:
    """Where the processes share their numbers; None when each keeps to itself."""
    name = os.environ.get(VARIABLE)
    return Path(name) if name else None


def _open() -> Segment:
    """Metrics that can't be shared are no reason to serve nobody."""
    try:
        return Segment(directory())
    except OSError as error:
        log.warning("the metrics of this process are not shared: %s", error)
        return Segment(None)


class SharedValue:
    """What prometheus_client asks of a number."""

    _multiprocess = True
    __slots__ = ("exemplar_index", "index", "key")

    def __init__(
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Sequence[str],
        labelvalues: Sequence[str],
        help_text: str,
        multiprocess_mode: str = "",
        **options: Any,
    ) -> None:
        parts = [typ, multiprocess_mode, metric_name, name, labelnames, labelvalues, help_text]
        self.key = json.dumps(parts, separators=(",", ":")).encode()
        self.index = self.exemplar_index = 0
        process.place(self)

    @classmethod
    def install(cls) -> None:
        """Before the first metric is made."""
        values.ValueClass = cls

    def inc(self, amount: float) -> None:
        with process.lock:
            process.segment.cells[self.index] += amount  # type: ignore[union-attr]

    def set(self, value: float, timestamp: float | None = None) -> None:
        with process.lock:
            process.segment.cells[self.index] = value  # type: ignore[union-attr]

    def get(self) -> float:
        with process.lock:
            return process.segment.cells[self.index]  # type: ignore[union-attr]

    def set_exemplar(self, exemplar: Exemplar) -> None:
        trace = int(exemplar.labels["trace_id"], 16)
        parts = [float(trace >> shift & _MASK) for shift in (96, 64, 32, 0)]
        segment = process.segment
        assert segment is not None  # noqa: S101 -- placed when it was made
        with process.lock:
            if not self.exemplar_index:
                key = EXEMPLAR_MARK + self.key
                self.exemplar_index = segment.add(key, EXEMPLAR_CELLS)
            first, cells = self.exemplar_index, segment.cells
            # A reader in between sees time 0: no exemplar.
            cells[first] = 0.0
            for offset, cell in enumerate((exemplar.value, *parts), 1):
                cells[first + offset] = cell
            cells[first] = float(exemplar.timestamp or 0)

    def get_exemplar(self) -> None:
        """The library asks for its own text formats; ``exposition`` shows exemplars instead."""


def exemplar_of(cells: Sequence[float]) -> Exemplar:
    """Return what the cells of an exemplar's record say."""
    timestamp, value, *parts = cells
    trace = 0
    for part in parts:
        trace = trace << 32 | int(part)
    return Exemplar({"trace_id": f"{trace:032x}"}, value, timestamp)
