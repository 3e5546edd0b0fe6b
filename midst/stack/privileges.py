"""How a command line is wrapped: to end with its parent, and to give up root's rights.

PostgreSQL refuses to run as root. Its server then runs as ``nobody``, with the one
capability to read and search everywhere: the checkout may lie in root's own home.
"""

import os
import pwd
import shutil
import signal
import subprocess
from functools import cache

from midst.stack.state import StackError

NOBODY = "nobody"


def as_root() -> bool:
    return os.geteuid() == 0


def server_owner() -> tuple[int, int] | None:
    """Return (uid, gid) that must own a database server's data; None: us."""
    if not as_root():
        return None
    try:
        account = pwd.getpwnam(NOBODY)
    except KeyError as error:
        raise StackError(
            f"There is no user {NOBODY!r}, and PostgreSQL won't run as root: "
            "start as another user, or set DATABASE_URL to a server of your own."
        ) from error
    return account.pw_uid, account.pw_gid


def bound(command: list[str], *, death: signal.Signals | None) -> list[str]:
    """Wrap ``command`` so that it gets ``death`` when its parent ends (where Linux can)."""
    setpriv = shutil.which("setpriv")
    if death is None or setpriv is None:
        return command
    return [setpriv, "--pdeathsig", death.name.removeprefix("SIG"), *command]


def unprivileged(command: list[str], *, death: signal.Signals | None) -> list[str]:
    """Like ``bound``, and as an ordinary user when we are root."""
    owner = server_owner()
    if owner is None:
        return bound(command, death=death)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StackError(
            "PostgreSQL won't run as root and `setpriv` (package util-linux) is missing: "
            "install it, start as another user, or set DATABASE_URL."
        )
    prefix = [setpriv, *_lay_down(owner)]
    if death is not None:
        prefix += ["--pdeathsig", death.name.removeprefix("SIG")]
    return [*prefix, *command]


def _lay_down(owner: tuple[int, int]) -> list[str]:
    user = [f"--reuid={owner[0]}", f"--regid={owner[1]}", "--clear-groups"]
    return [*user, *_KEEP_SEARCH] if _can_keep_search() else user


# Without no_setuid_fixup the effective set is emptied, and access(2) then says no.
_KEEP_SEARCH = [
    "--securebits=+no_setuid_fixup",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
    "--bounding-set=-all,+dac_read_search",
]


@cache
def _can_keep_search() -> bool:
    """A container may have taken the capability away from root."""
    command = ["setpriv", *_KEEP_SEARCH, "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
