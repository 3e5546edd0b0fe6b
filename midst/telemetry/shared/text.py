"""Numbers as text, in both formats. What a key looks like is worked out once.

prometheus_client's encoder takes 15 microseconds a line, and a scrape has thousands.
Formats: prometheus.io/docs/instrumenting/exposition_formats, and OpenMetrics 1.0.
"""

import json
from dataclasses import dataclass, field
from functools import lru_cache, partial, reduce

from midst.telemetry.shared.aggregate import Totals, combine
from midst.telemetry.shared.values import exemplar_of

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})

# A line that lacks only its value, and the keys of what makes that up: two, when releases
# that word a help text differently share a directory. Prometheus would refuse a line told twice.
_Line = tuple[str, list[bytes]]


@dataclass
class _Metric:
    """How one metric is written down; a histogram's buckets and sum by its count's line."""

    name: str
    type: str
    help: str
    lines: dict[str, list[bytes]] = field(default_factory=dict)
    buckets: dict[str, dict[float, _Line]] = field(default_factory=dict)
    sums: dict[str, _Line] = field(default_factory=dict)

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
        line = f"{sample}{_braces(labels)} "
        if sample.endswith("_bucket"):
            # The library puts `le` last.
            count = f"{name}_count{_braces(labels[:-1])} "
            buckets = metric.buckets.setdefault(count, {})
            buckets.setdefault(float(values[-1]), (line, []))[1].append(key)
        else:
            metric.lines.setdefault(line, []).append(key)
    for metric in metrics.values():
        for count, buckets in metric.buckets.items():
            metric.buckets[count] = dict(sorted(buckets.items()))
            labels_of_it = count.removeprefix(f"{metric.name}_count")
            sum_line = f"{metric.name}_sum{labels_of_it}"
            metric.sums[count] = sum_line, metric.lines.pop(sum_line)
    return list(metrics.values())


def _braces(labels: list[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""


def _together(numbers: dict[bytes, float], keys: list[bytes]) -> float:
    return reduce(partial(combine, keys[0]), (numbers[key] for key in keys))


def encode(totals: Totals, *, openmetrics: bool) -> bytes:
    """Return the text of ``totals``, without OpenMetrics' last line; exemplars only there.

    Buckets become cumulative, and a histogram's count is their sum.
    """
    numbers, parts = totals.numbers, []
    # All samples of one label set stand together: OpenMetrics asks for it.
    exemplars = totals.exemplars if openmetrics else {}
    for metric in _plan(tuple(numbers)):
        parts.append(metric.head(openmetrics=openmetrics))
        parts += [f"{line}{_together(numbers, keys)!r}\n" for line, keys in metric.lines.items()]
        for count_line, buckets in metric.buckets.items():
            count = 0.0
            for line, keys in buckets.values():
                count += _together(numbers, keys)
                exemplar = _exemplar(exemplars[keys[0]]) if keys[0] in exemplars else ""
                parts.append(f"{line}{count!r}{exemplar}\n")
            parts.append(f"{count_line}{count!r}\n")
            sum_line, keys = metric.sums[count_line]
            parts.append(f"{sum_line}{_together(numbers, keys)!r}\n")
    return "".join(parts).encode()


def _exemplar(cells: tuple[float, ...]) -> str:
    exemplar = exemplar_of(cells)
    trace = exemplar.labels["trace_id"]
    return f' # {{trace_id="{trace}"}} {exemplar.value!r} {exemplar.timestamp!r}'
