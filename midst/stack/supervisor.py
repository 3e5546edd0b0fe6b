"""Keeps the stack's processes running until a signal says stop, then ends every one."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from midst.stack import process, state
from midst.stack.state import StackError

POLL_S = 0.5
MAX_PAUSE_S = 30.0
# One that ran this long has recovered: after its next end the pause is short again.
STEADY_S = 60.0


class Stop(BaseException):
    """Someone asked us to stop: SIGINT, SIGTERM or SIGHUP. No code on the way may swallow it."""


@dataclass
class Watched:
    child: process.Child
    start: Callable[[], process.Child]
    started: float = field(default_factory=time.monotonic)
    pause_s: float = 1.0
    again_at: float | None = None


@dataclass
class Supervisor:
    """Children in the order they were started; the last one goes first."""

    say: Callable[[str], None]
    watched: list[Watched] = field(default_factory=list)

    def start(self, start: Callable[[], process.Child]) -> process.Child:
        """Start a child and watch it."""
        child = start()
        self.adopt(child, start)
        return child

    def adopt(self, child: process.Child, start: Callable[[], process.Child]) -> None:
        """Watch a child that runs already; ``start`` starts it again when it ends."""
        self.watched.append(Watched(child, start))
        self._remember()

    def serve(self) -> None:
        """Restart what ended, after a pause that doubles up to 30 s. Ends by ``Stop``."""
        while True:
            for watched in self.watched:
                self._look_after(watched)
            time.sleep(POLL_S)

    def stop(self) -> None:
        for watched in reversed(self.watched):
            process.stop(watched.child)
        self.watched.clear()
        state.PROCESSES.unlink(missing_ok=True)

    def _look_after(self, watched: Watched) -> None:
        now = time.monotonic()
        child = watched.child
        if watched.again_at is None:
            if child.is_running():
                return
            if now - watched.started > STEADY_S:
                watched.pause_s = 1.0
            watched.again_at = now + watched.pause_s
            self.say(f"{child.name} has ended; starting it again. Its log: {child.log}")
            # What it started may have outlived it and still hold its port.
            process.stop(child)
        elif now >= watched.again_at:
            watched.pause_s = min(watched.pause_s * 2, MAX_PAUSE_S)
            try:
                watched.child = watched.start()
            except StackError as error:
                self.say(str(error))
                watched.again_at = now + watched.pause_s
                return
            watched.started, watched.again_at = now, None
            self._remember()

    def _remember(self) -> None:
        process.remember([w.child for w in self.watched], state.PROCESSES)


def stop_on_signals() -> None:
    """Turn Ctrl-C, SIGTERM and a closed terminal into ``Stop`` (only the first one counts)."""

    def stop(number: int, frame: object) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise Stop

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for each in signals:
        signal.signal(each, stop)
