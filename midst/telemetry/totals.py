"""Our own metrics, read back for a page: sums over every process."""

from collections import defaultdict
from collections.abc import Collection

from prometheus_client.parser import text_string_to_metric_families

from midst.telemetry import exposition


def totals(names: Collection[str], *, label: str) -> dict[str, dict[str, float]]:
    """Return ``{name: {value of label: sum}}`` of the samples called ``names``.

    A sample without that label counts under ``""``; a name that was never counted is empty.
    """
    found: dict[str, dict[str, float]] = {name: defaultdict(float) for name in names}
    text, _ = exposition.render("")
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            if sample.name in found:
                found[sample.name][sample.labels.get(label, "")] += sample.value
    return {name: dict(values) for name, values in found.items()}
