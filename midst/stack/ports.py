"""TCP ports on loopback: which are free, and who holds the others."""

import socket
import time
from random import SystemRandom

import psutil

from midst.stack.state import StackError

HOST = "127.0.0.1"
# Below the ports that systems lend to outgoing connections (Linux: from 32768): one of those
# could take a server's place while it is being restarted.
_RANGE = range(20_000, 32_000)
# A killed process counts as gone when its first thread is; its sockets close with its last.
PATIENCE_S = 3.0
_RANDOM = SystemRandom()


def is_free(port: int) -> bool:
    """Say whether a server could listen on ``port`` now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
        return True


def choose(preferred: int | None) -> int:
    """Return ``preferred`` if it is free within ``PATIENCE_S``, else any port that is."""
    if preferred and _becomes_free(preferred):
        return preferred
    first = _RANDOM.randrange(len(_RANGE))
    return next(port for part in (_RANGE[first:], _RANGE[:first]) for port in part if is_free(port))


def _becomes_free(port: int) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def require(port: int, *, purpose: str, variable: str) -> None:
    """Raise ``StackError`` naming the holder when ``port`` is taken."""
    if not is_free(port):
        raise StackError(
            f"Port {port} ({purpose}) is in use{_holder(port)}. "
            f"Stop that, or choose another port with {variable}=..."
        )


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN
        # laddr is (host, port), or () for a socket that is bound to nothing.
        if listens and connection.laddr[1:] == (port,) and connection.pid:
            return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
