"""The collections under a profile, each declared once."""

from profiles.collections.cv import CV
from profiles.collections.declaration import Collection
from profiles.collections.records import APPLICATIONS, NARRATIVES, TIMELINE

COLLECTIONS = (*CV, TIMELINE, NARRATIVES, APPLICATIONS)
CACHED = tuple(each for each in COLLECTIONS if each.public is not None)

__all__ = ["APPLICATIONS", "CACHED", "COLLECTIONS", "CV", "NARRATIVES", "TIMELINE", "Collection"]
