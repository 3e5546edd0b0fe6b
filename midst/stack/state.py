"""Where the embedded stack keeps its files, and what it tells the other processes.

``.midst/environment.json`` holds the variables that point Django at the running servers;
development's settings read it, so that any ``manage.py`` command finds the stack.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StackError(Exception):
    """One clear sentence: what is wrong, with the value, and what to do."""


CHECKOUT = Path(__file__).resolve().parents[2]
ROOT = Path(os.environ.get("MIDST_DIR") or CHECKOUT / ".midst").absolute()
FILE = ROOT / "environment.json"
PROCESSES = ROOT / "processes.json"
# What the caller's environment said before the file below was added to it.
CALLER = dict(os.environ)


def environment() -> dict[str, str]:
    """Return the stack's variables (``DATABASE_URL``, ``REDIS_URL``, ``SECRET_KEY`` ...).

    Empty before the first start. Raises ``StackError`` when the file is damaged.
    """
    try:
        text = FILE.read_text()
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise StackError(
            f"{FILE} belongs to another user: run as that user, or set MIDST_DIR."
        ) from error
    try:
        return {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError) as error:
        raise StackError(f"{FILE} is damaged ({error}): remove it and run `make run`.") from error


def write(variables: dict[str, str]) -> None:
    """Replace the stack's variables in one step; they hold secrets, so only we may read them."""
    fresh = FILE.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(variables, indent=2))
    fresh.replace(FILE)


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the stack's lock; it ends with its process. Raises ``StackError`` if another has it."""
    ROOT.mkdir(parents=True, exist_ok=True)
    with (ROOT / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"Another `make run` is at work in {ROOT}: end it first, "
                "or set MIDST_DIR to a folder of your own."
            ) from error
        yield
