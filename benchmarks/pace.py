"""How fast the machine is just now: what a benchmark divides its figures by."""

import time

_LOOP = 40_000


def calibrate() -> float:
    """Return the CPU seconds of a fixed piece of work."""
    start, total = time.process_time(), 0
    for number in range(_LOOP):
        total += number * number % 7
    return time.process_time() - start
