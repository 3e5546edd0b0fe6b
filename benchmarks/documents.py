"""Puts what was measured into the document that tells of it."""

from pathlib import Path


def write(document: Path, place: str, text: str) -> None:
    """Replace what ``document`` has between the marks of ``place``. Without them ``ValueError``."""
    begin, end = f"<!-- {place}: begin -->", f"<!-- {place}: end -->"
    whole = document.read_text()
    first, last = whole.index(begin) + len(begin), whole.index(end)
    document.write_text(f"{whole[:first]}\n{text}\n{whole[last:]}")
