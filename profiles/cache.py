"""What of the profiles is cached, under which key, for how long, and what makes it void."""

from typing import Any
from urllib.parse import quote

from midst.kernel.cache import Kind
from midst.kernel.invalidation import Voids
from profiles import models

PROFILES = Kind(
    "profiles",
    ttl_s=600,
    families=(
        "profiles", "profile", "experience", "education", "projects", "skills", "publications",
        "awards", "certifications", "social-links",
    ),
)  # fmt: skip
TIMELINE = Kind("timeline", ttl_s=300, families=("timeline",))
NARRATIVE = Kind("narrative", ttl_s=180, families=("narratives",))
POSTINGS = Kind("postings", ttl_s=600, families=("postings", "posting"))
USER = Kind("user", ttl_s=60, families=("user",))

# All pages that list profiles.
LISTS = "profiles:listed"


def kind_of(path: str) -> Kind:
    """The kind of a collection under a profile, by its place in the URL."""
    return {"timeline": TIMELINE, "narratives": NARRATIVE}.get(path, PROFILES)


def profile_group(reference: str) -> str:
    """All that is shown of a profile under one of its addresses, id or slug."""
    return f"profile:{reference}"


def part_group(path: str, reference: str) -> str:
    """One collection of a profile, under one of its addresses."""
    return f"profile:{reference}:{path}"


def user_group(user: int) -> str:
    return f"user:{user}"


def _of_profile(profile: models.Profile, cascaded: bool) -> set[str]:
    known = profile.known_as
    if known is not None and not known:
        # It was read without its slug: whatever that was.
        return set(INVALIDATES[models.Profile].all_groups)
    profile.known_as = known = (known or frozenset()) | {(profile.slug, profile.owner_id)}
    addresses = {str(profile.pk), *(slug for slug, _ in known)}
    return {LISTS, *map(profile_group, addresses), *(user_group(owner) for _, owner in known)}


def _of_part(path: str) -> Any:
    def groups(part: Any, cascaded: bool) -> tuple[str, ...]:
        """Parts go with their profile alone, and that one makes all of it void."""
        if cascaded:
            return ()
        return tuple(part_group(path, each) for each in (str(part.profile_id), part.profile.slug))

    return groups


def _part(path: str) -> Voids:
    return Voids(kinds=(kind_of(path),), of_row=_of_part(path))


INVALIDATES: dict[type[Any], Voids] = {
    models.Profile: Voids(kinds=(PROFILES, TIMELINE, NARRATIVE, USER), of_row=_of_profile),
    models.Experience: _part("experience"),
    models.Education: _part("education"),
    models.Project: _part("projects"),
    models.Skill: _part("skills"),
    models.Publication: _part("publications"),
    models.Award: _part("awards"),
    models.Certification: _part("certifications"),
    models.SocialLink: _part("social-links"),
    models.TimelineEvent: _part("timeline"),
    models.Narrative: _part("narratives"),
    models.JobPosting: Voids(kinds=(POSTINGS,)),
}


def list_key(*, limit: int, cursor: str, name: str = "", since: str = "", before: str = "") -> str:
    return f"profiles:list:{limit}:{cursor}:{quote(since)}:{quote(before)}:{name}"


def detail_key(reference: str) -> str:
    return f"profile:{reference}"


def part_list_key(path: str, reference: str, *, limit: int, cursor: str) -> str:
    return f"{path}:{reference}:list:{limit}:{cursor}"


def part_key(path: str, reference: str, key: str) -> str:
    return f"{path}:{reference}:{key}"


def owned_key(user: int, *, limit: int, cursor: str) -> str:
    return f"user:{user}:profiles:{limit}:{cursor}"


def postings_key(*, status: str, limit: int, cursor: str) -> str:
    return f"postings:{status}:{limit}:{cursor}"


def posting_key(key: str) -> str:
    return f"posting:{key}"
