"""What a personal API token can be allowed to do. A sign-in may do all its user may."""

from collections.abc import Mapping
from enum import StrEnum


class Scope(StrEnum):
    PROFILES_READ = "profiles:read"
    PROFILES_WRITE = "profiles:write"
    TAXONOMY_WRITE = "taxonomy:write"


MEANINGS = {
    Scope.PROFILES_READ: "Read your own profiles and everything that belongs to them.",
    Scope.PROFILES_WRITE: (
        "Create, change, delete and export your own profiles; needs profiles:read as well."
    ),
    Scope.TAXONOMY_WRITE: "Change masks, epochs and stages (staff).",
}

# A write answers with all of what it wrote to, so who may not read it may not write it either.
NEEDED_WITH: Mapping[Scope, tuple[Scope, ...]] = {Scope.PROFILES_WRITE: (Scope.PROFILES_READ,)}
