"""perfops' own wheel and the packages that it asks for, apart from all others."""

import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

import perfops

SOURCE = Path(perfops.__file__).parent


def listed(*extras: str) -> list[Requirement]:
    """Return what ``django-perfops[psycopg]`` asks for, and with ``extras`` as well."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    optional = [
        line for extra in ("psycopg", *extras) for line in project["optional-dependencies"][extra]
    ]
    return [Requirement(line) for line in [*project["dependencies"], *optional]]


def build(folder: Path) -> list[Path]:
    """Build the distribution; return its files, the wheel last."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, SOURCE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(folder.iterdir(), key=lambda file: file.suffix == ".whl")


def install(wheel: Path, folder: Path) -> None:
    """Install a wheel without compiled parts: PEP 427 says that unpacking it does so."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


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
