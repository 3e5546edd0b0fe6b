"""Do the dates of a text that was written to be slow cost more than those of an ordinary one?

``python -m benchmarks.dates`` reduces both to years in turn, in CPU time. It ends with 1 when a
built text takes more than 12 times an ordinary one of the same length.
"""

import argparse
import statistics
import sys
import time

from profiles.dates import years_only

ROUNDS, LENGTH, WORST = 7, 100_000, 12
ORDINARY = (
    "I led the platform team from March 2019 to May 2021, where we rebuilt the billing system, cut "
    "costs by 35% and grew from 4 to 12 engineers. Released version 2.3.1 on 2020-05-06. "
)
# Found by a random search for what takes longest, now and before.
BUILT = (
    "1 jan 1 - 1 jan 1 ", "1-1-1-", "12.12.", "4.jan.", ":May年'1,jan", "week:jan4.-W05", "jan.",
    "may 1 - 2 may 1 - 2 of - ", "q1 ", f"1{' ' * 900}", "!",
)  # fmt: skip


def cost(text: str) -> float:
    """Return microseconds of CPU a character."""
    whole = (text * (LENGTH // len(text) + 1))[:LENGTH]
    start = time.process_time()
    years_only(whole)
    return (time.process_time() - start) / LENGTH * 1e6


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    years_only(ORDINARY)
    worst = 0.0
    for text in BUILT:
        pairs = [(cost(ORDINARY), cost(text)) for _ in range(ROUNDS)]
        ratio = statistics.median(built / ordinary for ordinary, built in pairs)
        ordinary, built = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(f"{text[:30]!r:<36}{ordinary:8.3f}{built:8.3f} us/char{ratio:8.1f}", flush=True)
        worst = max(worst, ratio)
    return int(worst > WORST)


if __name__ == "__main__":
    sys.exit(main())
