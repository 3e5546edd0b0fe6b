"""Numbers as text, in both formats. What a key looks like is worked out once.

prometheus_client's encoder takes 15 microseconds a line, and a scrape has thousands.
Formats: prometheus.io/docs/instrumenting/exposition_formats, and OpenMetrics 1.0.
"""

import json
from dataclasses import dataclass, field
from functools import lru_cache

from midst.telemetry.shared.gathering import Totals
from midst.telemetry.shared.values import exemplar_of

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})

# A line that lacks only its value, and the key of that.
_Line = tuple[str, bytes]


@dataclass
class _Metric:
    """How one metric is written down; a histogram's buckets by the line of their count."""

    name: str
    type: str
    help: str
    lines: list[_Line] = field(default_factory=list)
    buckets: dict[str, list[tuple[float, _Line]]] = field(default_factory=dict)

    def head(self, *, openmetrics: bool) -> str:
        """OpenMetrics names a counter without ``_total``."""
        name = self.name
        if self.type == "counter" and not openmetrics:
            name += "_total"
        text = self.help.translate(_ESCAPES if openmetrics else _HELP_ESCAPES)
        return f"# HELP {name} {text}\n# TYPE {name} {self.type}\n"


@lru_cache(maxsize=2)
def _plan(keys: tuple[bytes, ...]) -> list[_Metric]:
    """Sort the keys into metrics; from one scrape to the next they are mostly the same."""
    metrics: dict[str, _Metric] = {}
    for key in keys:
        kind, _, name, sample, label_names, values, text = json.loads(key)
        metric = metrics.setdefault(name, _Metric(name, kind, text))
        labels = [
            f'{label}="{value.translate(_ESCAPES)}"'
            for label, value in zip(label_names, values, strict=True)
        ]
        line = f"{sample}{_braces(labels)} ", key
        if sample.endswith("_bucket"):
            # The library puts `le` last.
            count = f"{name}_count{_braces(labels[:-1])} "
            metric.buckets.setdefault(count, []).append((float(values[-1]), line))
        else:
            metric.lines.append(line)
    for metric in metrics.values():
        for each in metric.buckets.values():
            each.sort()
    return list(metrics.values())


def _braces(labels: list[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""


def encode(totals: Totals, *, openmetrics: bool) -> bytes:
    """Return the text of ``totals``, without OpenMetrics' last line; exemplars only there.

    Buckets become cumulative, and a histogram's count is their sum.
    """
    numbers, parts = totals.numbers, []
    exemplars = totals.exemplars if openmetrics else {}
    for metric in _plan(tuple(numbers)):
        parts.append(metric.head(openmetrics=openmetrics))
        parts += [f"{line}{numbers[key]!r}\n" for line, key in metric.lines]
        for count_line, buckets in metric.buckets.items():
            count = 0.0
            for _, (line, key) in buckets:
                count += numbers[key]
                exemplar = _exemplar(exemplars[key]) if key in exemplars else ""
                parts.append(f"{line}{count!r}{exemplar}\n")
            parts.append(f"{count_line}{count!r}\n")
    return "".join(parts).encode()


def _exemplar(cells: tuple[float, ...]) -> str:
    exemplar = exemplar_of(cells)
    trace = exemplar.labels["trace_id"]
    return f' # {{trace_id="{trace}"}} {exemplar.value!r} {exemplar.timestamp!r}'
