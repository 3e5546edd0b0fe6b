"""What a scenario is going to send: read from ``scenarios.json``, which k6 reads as well."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec


class UnknownScenario(ValueError):
    """There is no such scenario; the message lists those there are."""


class Stage(msgspec.Struct, frozen=True):
    """The rate moves linearly to ``rate`` (requests/s) within ``seconds``."""

    seconds: float
    rate: float


class Scenario(msgspec.Struct, frozen=True):
    """A scenario as ``scenarios.json`` has it. ``judged``: budgets apply to it."""

    title: str
    start_rate: float
    stages: tuple[Stage, ...]
    max_vus: int
    judged: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """A scenario with what follows from it."""

    scenario: str
    spec: Scenario
    script: Path

    @property
    def duration_s(self) -> float:
        return sum(stage.seconds for stage in self.spec.stages)

    @property
    def peak_rate(self) -> float:
        return max(self._rates)

    @property
    def requests(self) -> float:
        """Arrivals planned: the area under the rate."""
        return sum(
            (before + after) / 2 * stage.seconds
            for (before, after), stage in zip(pairwise(self._rates), self.spec.stages, strict=True)
        )

    @property
    def _rates(self) -> list[float]:
        return [self.spec.start_rate, *(stage.rate for stage in self.spec.stages)]

    def as_json(self) -> str:
        """Return the plan as the script takes it."""
        return msgspec.json.encode(self.spec).decode()

    def as_row(self) -> dict[str, Any]:
        """Return what ``LoadRun.plan`` keeps."""
        return {
            "duration_s": self.duration_s,
            "requests": self.requests,
            "peak_rate": self.peak_rate,
            "max_vus": self.spec.max_vus,
            "judged": self.spec.judged,
            "start_rate": self.spec.start_rate,
            "stages": [msgspec.to_builtins(stage) for stage in self.spec.stages],
        }


def scenarios(directory: Path) -> dict[str, Scenario]:
    """Return all scenarios by name. Raises ``UnknownScenario`` when the file is not usable."""
    file = directory / "scenarios.json"
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Scenario])
    except FileNotFoundError as error:
        raise UnknownScenario(f"{file} is missing: set PERFOPS['SCENARIO_DIR'].") from error
    except msgspec.DecodeError as error:
        raise UnknownScenario(f"{file} is not a list of scenarios: {error}") from error


def load(directory: Path, scenario: str) -> Plan:
    """Return the plan of ``scenario``. Raises ``UnknownScenario``."""
    known = scenarios(directory)
    script = directory / f"{scenario}.js"
    if scenario not in known or not script.is_file():
        raise UnknownScenario(
            f"There is no scenario {scenario!r}. Known: {', '.join(sorted(known))}."
        )
    return Plan(scenario, known[scenario], script)
