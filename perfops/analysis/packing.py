"""A snapshot as bytes in a row: MessagePack, compressed. 5,000 statements take about 100 kB."""

import zlib

import msgspec

from perfops.analysis.collectors.snapshot import Snapshot

_QUICK = 3


class NotReadable(ValueError):
    """The bytes are of another layout, or of none."""


def pack(snapshot: Snapshot, *, texts: int) -> bytes:
    """Return ``snapshot`` with the texts of the ``texts`` costliest statements.

    All numbers stay: a later difference needs them. Who did what at that moment does not: it
    is in the findings, and texts of sessions may hold anyone's data.
    """
    kept = msgspec.structs.replace(snapshot, sessions=(), prepared=())
    if snapshot.statements is not None:
        by_cost = sorted(snapshot.statements, key=lambda s: -s.total_ms)
        kept = msgspec.structs.replace(
            kept,
            statements=(
                *by_cost[:texts],
                *(msgspec.structs.replace(s, text="") for s in by_cost[texts:]),
            ),
        )
    return zlib.compress(msgspec.msgpack.encode(kept), _QUICK)


def unpack(packed: bytes) -> Snapshot:
    """Return what ``pack`` was given. Raises ``NotReadable``."""
    try:
        return msgspec.msgpack.decode(zlib.decompress(packed), type=Snapshot)
    except (zlib.error, msgspec.DecodeError) as error:
        raise NotReadable(f"a snapshot of another layout: {error}") from error
