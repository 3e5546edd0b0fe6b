"""Two checkouts side by side, this one and a git worktree of another commit, each with a database.

Whatever happens, the worktree and both databases are gone when the block ends.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from perfops.budgets.against import databases
from perfops.budgets.against.databases import CouldNotCompare
from perfops.conf import conf
from perfops.load.slowdown import SCRATCH

_HOST = "127.0.0.1"
_LOG_LINES = 15
# A runner that cancels a job, and a terminal that is closed, must be cleaned up after like Ctrl-C.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOCK = "uv.lock"
_MOST_NAMES = 10


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``PERFOPS["AGAINST"]``: how a checkout is installed, filled and served.

    Commands are split as a shell does; ``{python}``, ``{port}``, ``{folder}`` (the checkout),
    ``{scratch}`` (an empty folder), ``{side}`` (a name of its own) and ``{database_url}`` are
    filled in. ``install``: in the other build's checkout. ``prepare``: fills its empty database.
    ``migrate``: this build's migrations on a copy of that. ``counts``: the committed file of
    ``check_budget --deterministic``; ``routes``: a routes.json of what is counted, in this build's
    checkout, instead of the scenario's.
    """

    install: tuple[str, ...] = ()
    python: str = sys.executable
    prepare: tuple[str, ...] = ("{python} manage.py migrate --no-input",)
    migrate: tuple[str, ...] = ("{python} manage.py migrate --no-input",)
    counts: str = "perfops-counts.json"
    routes: str = ""
    serve: str = "{python} manage.py runserver --noreload {port}"
    environment: dict[str, str] = msgspec.field(
        default_factory=lambda: {"DATABASE_URL": "{database_url}"}
    )


@dataclass(frozen=True, slots=True)
class Side:
    """A build: its checkout, its database's name, and how its commands are run."""

    name: str
    folder: Path
    database: str
    scratch: Path
    port: int
    python: str

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self.port}"

    def filled(self, text: str) -> str:
        values = {
            "python": self.python,
            "port": str(self.port),
            "folder": str(self.folder),
            "scratch": str(self.scratch),
            "side": self.database,
            "database_url": databases.url_of(self.database),
        }
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def environment(self, recipe: Recipe) -> dict[str, str]:
        given = {name: self.filled(value) for name, value in recipe.environment.items()}
        return {**os.environ, **given}

    @contextmanager
    def started(
        self, command: str, recipe: Recipe, out: int | IO[bytes], err: int | IO[bytes]
    ) -> Iterator[subprocess.Popen[str]]:
        """Start a command in the checkout; an exception kills it with all that it started.

        A session of its own: the terminal's Ctrl-C is ours to handle. Raises ``CouldNotCompare``.
        """
        child = None
        try:
            with _signals_later():
                child = subprocess.Popen(
                    shlex.split(self.filled(command)), cwd=self.folder, text=True,
                    env=self.environment(recipe), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                    start_new_session=True,
                )  # fmt: skip
            yield child
        except OSError as error:
            if child is not None:
                kill_group(child)
                raise
            raise CouldNotCompare(f"`{command}` of the {self.name} build: {error}") from error
        except BaseException:
            # An installer that goes on would write into the checkout that is removed.
            if child is not None:
                kill_group(child)
            raise

    def run(self, command: str, recipe: Recipe) -> str:
        """Run a command in the checkout and return what it wrote. Raises ``CouldNotCompare``."""
        with self.started(command, recipe, subprocess.PIPE, subprocess.PIPE) as child:
            said, errors = child.communicate()
        if child.returncode:
            raise CouldNotCompare(
                f"`{command}` of the {self.name} build ended with {child.returncode}:\n"
                f"{end_of(said + errors)}"
            )
        return said


@contextmanager
def _signals_later() -> Iterator[None]:
    """Have the signals that end us wait: one amidst a start would lose the started process."""
    came: list[int] = []
    before = {each: signal.signal(each, lambda number, _: came.append(number)) for each in STOPS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in came:
            signal.raise_signal(number)


def kill_group(leader: subprocess.Popen[str]) -> None:
    """Kill a process that leads a session of its own, with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()
    for pipe in (leader.stdout, leader.stderr):
        if pipe:
            pipe.close()


def recipe() -> Recipe:
    """Return the project's recipe. Raises ``CouldNotCompare`` where a key is wrong."""
    try:
        return msgspec.convert(dict(conf().AGAINST), Recipe)
    except msgspec.ValidationError as error:
        raise CouldNotCompare(f"PERFOPS['AGAINST'] can't be used: {error}") from error


def git(*words: str, folder: Path | None = None) -> str:
    """Return what git says. Raises ``CouldNotCompare``."""
    program = shutil.which("git") or "git"
    try:
        done = subprocess.run(
            [program, *words], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise CouldNotCompare("git is not there: install it.") from error
    if done.returncode:
        raise CouldNotCompare(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


def commit_of(ref: str) -> str:
    """Return the commit's hash. Raises ``CouldNotCompare``, with names that there are."""
    try:
        return git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except CouldNotCompare as error:
        names = git(
            "for-each-ref", "--format=%(refname:short)", f"--count={_MOST_NAMES}",
            "--sort=-creatordate", "refs/heads", "refs/tags", "refs/remotes",
        ).split()  # fmt: skip
        known = f" Branches and tags, the newest first: {', '.join(names)}." if names else ""
        raise CouldNotCompare(f"There is no commit {ref}.{known}") from error


@contextmanager
def prepared(ref: str, how: Recipe) -> Iterator[tuple[Side, Side]]:
    """Yield the build of ``ref`` and that of this checkout, each with its database.

    Both databases hold the same rows: the older build fills one, the newer one migrates a copy.
    Raises ``CouldNotCompare``.
    """
    commit = commit_of(ref)
    with ExitStack() as stack:
        folder, scratch = stack.enter_context(worktree(commit))
        names = [f"{SCRATCH}{os.getpid()}_{letter}" for letter in "ab"]
        old = side_of("old", folder, scratch, how, names[0])
        new = _side("new", Path.cwd(), names[1], scratch, sys.executable)
        for name in names:
            stack.callback(databases.drop, name)
        databases.create(names[0])
        for command in how.prepare:
            old.run(command, how)
        databases.create(names[1], like=names[0])
        for command in how.migrate:
            new.run(command, how)
        for name in names:
            databases.analyse(name)
        yield old, new


@contextmanager
def worktree(commit: str) -> Iterator[tuple[Path, Path]]:
    """Yield the working directory as it is in ``commit``, and an empty folder beside it."""
    below = Path.cwd().relative_to(git("rev-parse", "--show-toplevel"))
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perfops-")))
        checkout = scratch / "checkout"
        git("worktree", "prune")
        # Before it is there: a Ctrl-C comes at any moment.
        stack.callback(_remove_worktree, checkout)
        git("worktree", "add", "--detach", "--quiet", str(checkout), commit)
        yield checkout / below, scratch


@contextmanager
def same(how: Recipe, names: Sequence[str]) -> Iterator[tuple[Side, ...]]:
    """Yield this checkout as several sides, each with a copy of one database.

    Raises ``CouldNotCompare``.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perfops-")))
        sides = tuple(
            _side(name, Path.cwd(), f"{SCRATCH}{os.getpid()}_{name}", scratch, sys.executable)
            for name in names
        )
        for side in sides:
            stack.callback(databases.drop, side.database)
        databases.create(sides[0].database)
        for command in how.prepare:
            sides[0].run(command, how)
        for side in sides[1:]:
            databases.create(side.database, like=sides[0].database)
        for side in sides:
            databases.analyse(side.database)
        yield sides


def side_of(name: str, folder: Path, scratch: Path, how: Recipe, database: str = "") -> Side:
    """Return a worktree's build; its database has a name of its own, where none is given.

    With an environment of its own only where its lock file is another one than ours. Raises
    ``CouldNotCompare``.
    """
    ours, its = (where / _LOCK for where in (Path.cwd(), folder))
    is_same = ours.is_file() and its.is_file() and ours.read_bytes() == its.read_bytes()
    database = database or f"{SCRATCH}{os.getpid()}_{name}"
    side = _side(name, folder, database, scratch, sys.executable if is_same else how.python)
    for command in () if is_same else how.install:
        side.run(command, how)
    return side


def _side(name: str, folder: Path, database: str, scratch: Path, python: str) -> Side:
    own = scratch / name
    own.mkdir()
    # A path within the checkout, or a program.
    within = folder / python
    program = str(within) if "/" in python and not Path(python).is_absolute() else python
    return Side(name, folder, database, own, _free_port(), program)


def _free_port() -> int:
    with socket.create_server((_HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def end_of(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_LOG_LINES:])


def _remove_worktree(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    git("worktree", "prune")
