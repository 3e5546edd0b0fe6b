"""What of the profiles is cached, for how long, and which changes make it void."""

from collections.abc import Callable
from typing import Any

from midst.kernel.cache import Kind
from profiles import models

PROFILES = Kind("profiles", ttl_s=600)
PARTS = Kind("profile_parts", ttl_s=600)
POSTINGS = Kind("postings", ttl_s=600)

# What lists profiles; what shows one of them has a group of its own.
GROUP = "profiles"
POSTINGS_GROUP = "postings"


def group_of(reference: str) -> str:
    """The group of what is shown of one profile under one of its addresses, id or slug."""
    return f"profile:{reference}"


def groups_of(profile: models.Profile) -> tuple[str, ...]:
    """The groups of all its addresses, a slug it has just lost among them."""
    addresses = {str(profile.pk), profile.slug, profile.slug_read or profile.slug}
    return tuple(map(group_of, sorted(addresses)))


def _of_profile(profile: models.Profile, cascaded: bool) -> tuple[str, ...]:
    return (GROUP, *groups_of(profile))


def _of_part(part: Any, cascaded: bool) -> tuple[str, ...]:
    """Parts go with their profile alone, and that one makes all of it void."""
    return () if cascaded else groups_of(part.profile)


INVALIDATES: dict[type[Any], tuple[str, ...] | Callable[[Any, bool], tuple[str, ...]]] = {
    models.Profile: _of_profile,
    models.JobPosting: (POSTINGS_GROUP,),
    **dict.fromkeys([*models.Entry.__subclasses__(), models.TimelineEvent], _of_part),
    models.Narrative: _of_part,
}


def list_key(*, limit: int, cursor: str, name: str = "", since: str = "", before: str = "") -> str:
    return f"profiles:list:{limit}:{cursor}:{since}:{before}:{name}"


def detail_key(reference: str) -> str:
    return f"profile:{reference}"


def part_list_key(path: str, reference: str, *, limit: int, cursor: str) -> str:
    return f"{path}:{reference}:list:{limit}:{cursor}"


def part_key(path: str, reference: str, key: str) -> str:
    return f"{path}:{reference}:{key}"


def postings_key(*, status: str, limit: int, cursor: str) -> str:
    return f"postings:{status}:{limit}:{cursor}"


def posting_key(key: str) -> str:
    return f"posting:{key}"
