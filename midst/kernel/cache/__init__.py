"""Finished answers kept in Redis, never staler than the last commit. See ``docs/cache.md``."""

from midst.kernel.cache.circuit import circuit
from midst.kernel.cache.entries import tag_of
from midst.kernel.cache.kinds import Answer, Kind, Outcome
from midst.kernel.cache.reading import bypass, read
from midst.kernel.cache.voiding import void, void_on_commit

__all__ = [
    "Answer",
    "Kind",
    "Outcome",
    "bypass",
    "circuit",
    "read",
    "tag_of",
    "void",
    "void_on_commit",
]
