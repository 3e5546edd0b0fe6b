"""What stopped a server at its limit: what was full, or waited for, in the loads beyond it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from perfops.formatting import cut
from perfops.load.target_side import FULL, RESOURCES, Look
from perfops.load.waits import WaitLook

# In at least this share of the looks.
_MOSTLY = 0.5
_TEXT = 120
_PLURAL = {"pool", "threads"}
# So many statements at work at once are what requests wait for.
_BUSY = 2


def of(
    spans: Sequence[tuple[float, float]], looks: Sequence[Look], waits: Sequence[WaitLook]
) -> dict[str, Any]:
    """Return the bottleneck in ``spans`` (Unix times): ``{"kind", "sentence"}``.

    ``kind``: lock, a resource of the target's own figures, query, or "" where none is known. A lock
    comes first: who waits for one fills pools and threads, and never the other way round.
    """
    during = [each for each in waits if _is_in(each.at, spans)]
    locked = [each for each in during if each.blocked]
    if during and len(locked) >= _MOSTLY * len(during):
        return _named("lock", "Sessions waited for locks", locked, during)
    own = [each for each in looks if _is_in(each.at, spans)]
    for name in ("pool", "cpu", "threads", "queue", "memory"):
        full = sum(each.shares.get(name, 0.0) >= FULL for each in own)
        if own and full >= _MOSTLY * len(own):
            text = f"The target's {RESOURCES[name]} were" if name in _PLURAL else (
                f"The target's {RESOURCES[name]} was"
            )  # fmt: skip
            sentence = f"{text} full ({FULL:.0%}) in {full} of {len(own)} looks beyond the limit."
            return {"kind": name, "sentence": sentence}
    busy = [each for each in during if each.active >= _BUSY]
    if during and len(busy) >= _MOSTLY * len(during):
        return _named("query", f"{_BUSY} statements or more were at work", busy, during)
    known = own or during
    return {
        "kind": "",
        "sentence": "Nothing that was looked at was full beyond the limit."
        if known
        else "Not known: the target says nothing of itself.",
    }


def _named(
    kind: str, what: str, those: Sequence[WaitLook], every: Sequence[WaitLook]
) -> dict[str, Any]:
    texts = Counter(each.text for each in those)
    text = cut(" ".join(texts.most_common(1)[0][0].split()), _TEXT)
    sentence = f"{what} in {len(those)} of {len(every)} looks beyond the limit, mostly: {text}"
    return {"kind": kind, "sentence": sentence}


def _is_in(at: float, spans: Sequence[tuple[float, float]]) -> bool:
    return any(began <= at <= ended for began, ended in spans)
