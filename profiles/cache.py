"""Which answers on profiles are cached, under which keys, and what invalidates them."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from midst.kernel.cache import CacheRegion
from midst.kernel.cache.signals import Invalidates
from profiles import models

PROFILES = CacheRegion(
    "profiles", ttl_s=600, key_prefixes=("profiles", "profile", "cv"), file=__file__
)
TIMELINE = CacheRegion("timeline", ttl_s=300, key_prefixes=("timeline",), file=__file__)
NARRATIVES = CacheRegion("narrative", ttl_s=180, key_prefixes=("narratives",), file=__file__)
POSTINGS = CacheRegion("postings", ttl_s=600, key_prefixes=("postings", "posting"), file=__file__)
USER = CacheRegion("user", ttl_s=60, key_prefixes=("user",), file=__file__)

# The group of all pages that list public profiles.
LISTS = "profiles:listed"

# The group of all pages that a search found.
FOUND = "profiles:found"

# Where an instance keeps the versions of itself that it has held: see ``_remember``.
_HELD = "_held_versions"


class _Version(NamedTuple):
    """What decides which cached answers show a profile."""

    slug: str
    owner_id: int
    is_listed: bool


def profile_group(address: str) -> str:
    """Return the group of everything shown of a profile under one address, its id or slug."""
    return f"profile:{address}"


def collection_group(path: str, address: str) -> str:
    """Return the group of one collection of a profile under one of its addresses."""
    return f"profile:{address}:{path}"


def user_group(user: int) -> str:
    return f"user:{user}"


def _remember(profile: models.Profile) -> None:
    """Note how the profile was when it was loaded.

    A profile with a new slug must vanish from its old address, and one that is made private must
    vanish from the lists. None stands for a profile that was loaded without the needed columns.
    """
    loaded = profile.__dict__
    known = loaded.keys() >= {"slug", "owner_id", "visibility", "is_active"}
    loaded[_HELD] = {_version(profile) if known else None}


def _version(profile: models.Profile) -> _Version:
    is_listed = profile.is_active and profile.visibility == models.Profile.Visibility.PUBLIC
    return _Version(profile.slug, profile.owner_id, is_listed)


def _groups_of_profile(profile: models.Profile, cascaded: bool) -> Iterable[str]:
    held: set[_Version | None] = profile.__dict__[_HELD]
    if None in held:
        yield from INVALIDATES[models.Profile].all_groups
        return
    held.add(_version(profile))
    yield profile_group(str(profile.pk))
    for version in held:
        if version is None or not version.slug:
            continue
        yield from (profile_group(version.slug), user_group(version.owner_id))
        if version.is_listed:
            yield from (LISTS, FOUND)


def of_collection(path: str, region: CacheRegion, *, is_searched: bool = False) -> Invalidates:
    """Return what a change of a row in the collection at ``path`` invalidates."""
    found = (FOUND,) if is_searched else ()

    def groups_of(row: Any, cascaded: bool) -> tuple[str, ...]:
        """Return no groups for a cascade: the deleted profile invalidates all of its answers."""
        if cascaded:
            return ()
        addresses = (str(row.profile_id), row.profile.slug)
        return (*found, *(collection_group(path, address) for address in addresses))

    return Invalidates(regions=(region,), groups_of=groups_of)


# The collections under a profile declare their own: see ``profiles.collections``.
INVALIDATES = {
    models.Profile: Invalidates(
        regions=(PROFILES, TIMELINE, NARRATIVES, USER),
        groups_of=_groups_of_profile,
        loaded=_remember,
    ),
    models.JobPosting: Invalidates(regions=(POSTINGS,)),
}


def list_key(*, limit: int, cursor: str, name: str = "", since: str = "", before: str = "") -> str:
    return f"profiles:list:{limit}:{cursor}:{quote(since)}:{quote(before)}:{name}"


def search_key(*, limit: int, cursor: str, words: str) -> str:
    return f"profiles:search:{limit}:{cursor}:{words}"


def detail_key(address: str) -> str:
    return f"profile:{address}"


def collection_key(
    prefix: str, address: str, *, limit: int, cursor: str, filters: Mapping[str, str]
) -> str:
    chosen = "".join(f":{name}={value}" for name, value in sorted(filters.items()))
    return f"{prefix}:{address}:list:{limit}:{cursor}{chosen}"


def row_key(prefix: str, address: str, key: str) -> str:
    return f"{prefix}:{address}:{key}"


def owned_key(user: int, *, limit: int, cursor: str) -> str:
    return f"user:{user}:profiles:{limit}:{cursor}"


def postings_key(*, status: str, limit: int, cursor: str) -> str:
    return f"postings:{status}:{limit}:{cursor}"


def posting_key(key: str) -> str:
    return f"posting:{key}"
