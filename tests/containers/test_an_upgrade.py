"""infra/upgrade while clients read and write; the first of these tests, for it ends on ours."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.containers.load import Load, operate
from tests.containers.stack import BEFORE, IMAGE, Stack

pytestmark = pytest.mark.containers


def test_to_this_image_without_a_failed_request(
    stack: Stack,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    with Load(stack, tmp_path, seconds=1200, reads=5) as load:
        load.more()
        operate(stack, "upgrade", IMAGE)
        # As it says at its end.
        stack.env.write_text(stack.env.read_text().replace(BEFORE, IMAGE))
        load.more()
    felt = load.felt()
    record_property("felt", json.dumps(asdict(felt)))
    with capsys.disabled():
        print(f"\nfrom {BEFORE}: {felt}")  # noqa: T201
    assert (felt.failed, felt.refused, felt.lost, felt.stale) == (0, 0, 0, 0), felt.bad
    # Nothing is hidden by a second try.
    assert (felt.sent_again, felt.read_again, felt.twice) == (0, 0, 0), load.lines("again")
    runs = {service: each["Config"]["Image"] for service, each in stack.engine.containers().items()}
    ours = {runs[service].rpartition("/")[2] for service in ("web", "worker", "beat", "metrics")}
    assert ours == {IMAGE}
