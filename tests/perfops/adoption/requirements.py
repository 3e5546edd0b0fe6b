"""The packages of ``perfops/requirements.txt`` and what they need, apart from all others."""

from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

import perfops

FILE = Path(perfops.__file__).parent / "requirements.txt"


def listed() -> list[Requirement]:
    lines = FILE.read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def needed(*also: str) -> set[str]:
    """Return the names of all distributions that pip would install for the file, and ``also``."""
    found: set[str] = set()
    wanted = [*listed(), *map(Requirement, also)]
    waiting = [(each, extra) for each in wanted for extra in {"", *each.extras}]
    seen = set()
    while waiting:
        requirement, extra = waiting.pop()
        if (key := (requirement.name.lower(), extra)) in seen:
            continue
        seen.add(key)
        found.add(requirement.name)
        for line in distribution(requirement.name).requires or []:
            also = Requirement(line)
            if also.marker is None or also.marker.evaluate({"extra": extra}):
                waiting += [(also, each) for each in {"", *also.extras}]
    return found


def link_into(folder: Path, *also: str) -> None:
    """Make ``folder`` a place of packages that holds these, and ``also``, alone."""
    folder.mkdir()
    for name in needed(*also):
        installed = distribution(name)
        for top in {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(installed.locate_file(top))
