"""Metrics are read back as sums over every process."""

import json

import pytest

from midst.telemetry import metrics
from midst.telemetry.exposition import totals
from tests.telemetry.test_exposition import in_a_process_of_its_own

COUNT = """
import django; django.setup()
from midst.telemetry import metrics
metrics.CACHE_HITS.labels("masks").inc(3)
metrics.CACHE_HITS.labels("epochs").inc()
"""
READ = """
import json
import django; django.setup()
from midst.telemetry import metrics
from midst.telemetry.exposition import totals
metrics.CACHE_HITS.labels("masks").inc(4)
print(json.dumps(totals(["cache_hits_total", "unheard_of_total"], label="cache_type")))
"""


@pytest.mark.slow
def test_totals_are_summed_by_label_over_processes_that_have_ended(tmp_path):
    in_a_process_of_its_own(COUNT, str(tmp_path))
    found = json.loads(in_a_process_of_its_own(READ, str(tmp_path)))
    assert found["cache_hits_total"] == {"masks": 7, "epochs": 1}
    assert found["unheard_of_total"] == {}


def test_without_a_shared_directory_this_process_counts_alone():
    def hits():
        return totals(["cache_hits_total"], label="cache_type")["cache_hits_total"].get("totals", 0)

    before = hits()
    metrics.CACHE_HITS.labels("totals").inc(2)
    assert hits() == before + 2


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True])
def test_they_are_what_a_scrape_says(tmp_path, shared):
    folder = str(tmp_path) if shared else ""
    found = json.loads(in_a_process_of_its_own(COUNT + COMPARE, folder))
    assert found["counted"] == found["scraped"]
    assert found["counted"]["cache_hits_total"] == {"masks": 3, "epochs": 1}
    assert found["counted"]["cache_degraded"] == {"": 0}


COMPARE = """
import json
from collections import defaultdict
from prometheus_client.parser import text_string_to_metric_families
from midst.telemetry.exposition import render, totals
names = ["cache_hits_total", "cache_misses_total", "cache_degraded", "never"]
scraped = {name: defaultdict(float) for name in names}
for family in text_string_to_metric_families(render("")[0].decode()):
    for sample in family.samples:
        if sample.name in names:
            scraped[sample.name][sample.labels.get("cache_type", "")] += sample.value
print(json.dumps({"scraped": scraped, "counted": totals(names, label="cache_type")}))
"""
