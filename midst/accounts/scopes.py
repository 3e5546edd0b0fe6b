"""What a personal API token can be allowed to do. A sign-in may do all its user may."""

from enum import StrEnum


class Scope(StrEnum):
    PROFILES_READ = "profiles:read"
    PROFILES_WRITE = "profiles:write"
    TAXONOMY_WRITE = "taxonomy:write"


MEANINGS = {
    Scope.PROFILES_READ: "Read your own profiles with all that hangs on them.",
    Scope.PROFILES_WRITE: "Create, change and delete your own profiles and their parts.",
    Scope.TAXONOMY_WRITE: "Change masks, epochs and stages (staff).",
}
