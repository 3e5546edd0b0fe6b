"""How much a scenario is going to send, and with which script.

A project's folder has ``routes.json`` or ``routes.js`` (what is asked for), and ``scenarios.json``
(how much) unless the one that comes with perfops is enough.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from perfops.conf import conf
from perfops.plugins import Group, usable

SCRIPTS = Path(__file__).parent / "scripts"
_FILE = "scenarios.json"
_ROUTES = ("routes.js", "routes.json")


class UnknownScenario(ValueError):
    """There is no such scenario; the message lists those there are."""


class Stage(msgspec.Struct, frozen=True):
    """The rate moves linearly to ``rate`` (requests/s) within ``seconds``."""

    seconds: float
    rate: float


class SignIn(msgspec.Struct, frozen=True):
    """Where a user signs in: for a token by JSON, or by a form for a session's cookie.

    ``refresh``: where a token is exchanged for the next; "": by signing in again. ``username``:
    what the field of the user's name is called in JSON.
    """

    path: str
    is_form: bool = False
    refresh: str = ""
    username: str = "username"


class Scenario(msgspec.Struct, frozen=True):
    """A scenario as ``scenarios.json`` has it. ``judged``: budgets apply to it.

    ``room_s``: how long each answer may take until k6 needs more VUs than it begins with.
    ``routes``: the file that says what is asked for, where it is not ``routes.js`` or
    ``routes.json``. ``session_requests``: how many requests follow from one arrival; the rates are
    those of arrivals. ``sign_in``: requests of ``routes.json`` are those of users who do so.
    ``mix``: shares by part that a script follows, or by route. ``rows``: how many different rows
    fill in paths (0: as usual); ``data_set``: the newest, the oldest or random ones.
    """

    title: str
    start_rate: float
    stages: tuple[Stage, ...]
    max_vus: int
    judged: bool = True
    room_s: float = 0.5
    routes: str = ""
    session_requests: int = 1
    sign_in: SignIn | None = None
    mix: dict[str, float] = {}
    rows: int = 0
    data_set: str = "newest"


@dataclass(frozen=True, slots=True)
class Plan:
    """A scenario with what follows from it; ``routes``: None for a script that knows them."""

    scenario: str
    spec: Scenario
    script: Path
    folder: Path
    routes: Path | None
    # k6's option of that name.
    thresholds: dict[str, Any] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        return sum(stage.seconds for stage in self.spec.stages)

    @property
    def peak_rate(self) -> float:
        return max(self._rates) * self.spec.session_requests

    @property
    def requests(self) -> float:
        """Requests planned: the area under the rate."""
        arrivals = sum(
            (before + after) / 2 * stage.seconds
            for (before, after), stage in zip(pairwise(self._rates), self.spec.stages, strict=True)
        )
        return arrivals * self.spec.session_requests

    @property
    def _rates(self) -> list[float]:
        return [self.spec.start_rate, *(stage.rate for stage in self.spec.stages)]

    def as_json(self) -> str:
        """Return the plan as the script takes it."""
        found = {**msgspec.to_builtins(self.spec), "thresholds": self.thresholds}
        return msgspec.json.encode(found).decode()

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


def _wrong(package: Any) -> str:
    """Return why ``package`` is no folder of scenarios, or "" when it is one."""
    if not getattr(package, "__path__", None):
        return "a folder of scenarios is a package, with scenarios.json in it"
    try:
        for name in scenarios(_folder(package)):
            load(_folder(package), name)
    except UnknownScenario as error:
        return str(error)
    return ""


def _folder(package: Any) -> Path:
    return Path(package.__path__[0])


GROUP = Group("perfops.scenarios", "SCENARIO_DIRS", _wrong)


def every() -> dict[str, Scenario]:
    """Return the scenarios of the project's folder and of other packages; the first name wins.

    Raises ``UnknownScenario`` when there is none at all.
    """
    return {name: plans[name] for plans in reversed(_by_folder().values()) for name in plans}


def find(scenario: str) -> Plan:
    """Return the plan of ``scenario``, of whichever folder. Raises ``UnknownScenario``."""
    for folder, plans in _by_folder().items():
        if scenario in plans:
            return load(folder, scenario)
    raise UnknownScenario(
        f"There is no scenario {scenario!r}. Known: {', '.join(sorted(every()))}."
    )


def _by_folder() -> dict[Path, dict[str, Scenario]]:
    added = {_folder(package): scenarios(_folder(package)) for package in usable(GROUP)}
    own = conf().SCENARIO_DIR
    try:
        return {own: scenarios(own), **added}
    except UnknownScenario:
        if added:
            return added
        raise


def scenarios(directory: Path) -> dict[str, Scenario]:
    """Return all scenarios by name. Raises ``UnknownScenario`` when the file is not usable."""
    file = directory / _FILE
    if not file.exists():
        if _routes(directory) is None:
            raise UnknownScenario(
                f"{directory} has neither {_FILE} nor {' nor '.join(_ROUTES)}: "
                "see PERFOPS['SCENARIO_DIR']."
            )
        file = SCRIPTS / _FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Scenario])
    except (OSError, msgspec.DecodeError) as error:
        raise UnknownScenario(f"{file} is not a list of scenarios: {error}") from error


def load(directory: Path, scenario: str) -> Plan:
    """Return the plan of ``scenario``: by the project's SCENARIO.js, else by ours for its routes.

    Raises ``UnknownScenario``.
    """
    known = scenarios(directory)
    if scenario not in known:
        raise UnknownScenario(
            f"There is no scenario {scenario!r}. Known: {', '.join(sorted(known))}."
        )
    own, routes = directory / f"{scenario}.js", _routes(directory, known[scenario].routes)
    if own.is_file():
        return Plan(scenario, known[scenario], own, directory, None)
    if routes is None:
        raise UnknownScenario(
            f"{directory} says nowhere what {scenario} asks for: it has neither {own.name} nor "
            f"{known[scenario].routes or ' nor '.join(_ROUTES)}."
        )
    return Plan(scenario, known[scenario], SCRIPTS / "scenario.js", directory, routes)


def _routes(directory: Path, named: str = "") -> Path | None:
    files = (directory.absolute() / name for name in ([named] if named else _ROUTES))
    return next((file for file in files if file.is_file()), None)
