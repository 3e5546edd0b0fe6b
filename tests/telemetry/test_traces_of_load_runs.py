"""k6 tells in baggage which run its requests belong to, and their spans keep it."""

import pytest

from perfops.budgets import verdicts
from perfops.load import execution, targets
from perfops.load import services as runs
from tests.perfops.conftest import scenario  # noqa: F401 -- a fixture
from tests.telemetry.conftest import wait_for
from tests.telemetry.receivers import receiver


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_traces_of_a_run_carry_its_id(gunicorn, scenario):  # noqa: F811
    with receiver() as collector:
        server = gunicorn(
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_BSP_SCHEDULE_DELAY="100",
            RATE_LIMIT_ADDRESS="1000000",
        )
        # The preflight of a run is impatient: it says "nothing answers" of a server that starts.
        wait_for(lambda: targets.unreachable(server.url) is None, "an answer")
        run = runs.request_run(
            scenario=scenario(rate=20, seconds=3), target=server.url, enqueue=False
        )
        execution.execute(run.pk, verdicts.decide)
        run.refresh_from_db()
        assert run.summary, (run.reasons, run.log)

        def spans():
            return [span for span in collector.spans if span.attributes.get("perfops.run")]

        # A server that ends waits for some seconds only, whatever is left to send.
        wait_for(lambda: len(spans()) >= run.summary["requests"], "the spans of the run")
        server.stop()
    of_load = spans()
    assert {span.attributes["perfops.run"] for span in of_load} == {str(run.pk)}
    assert len(of_load) == run.summary["requests"]
    # What looks around before the load is none of it.
    assert len(of_load) < len([span for span in collector.spans if span.name.startswith("GET /")])
