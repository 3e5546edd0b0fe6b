"""Profiles and everything that belongs to them."""

from profiles.models.cv import (
    Award,
    Certification,
    Education,
    Entry,
    Experience,
    Project,
    Publication,
    Skill,
    SocialLink,
    TimelineEvent,
)
from profiles.models.jobs import JobApplication, JobPosting
from profiles.models.narrative import Narrative
from profiles.models.plans import Subscription, UsageQuota, UserUsage
from profiles.models.profile import (
    SLUG,
    Profile,
    ProfileQuerySet,
    check_not_a_uuid,
    check_not_reserved,
)
from profiles.models.search import ProfileSearch

__all__ = [
    "SLUG",
    "Award",
    "Certification",
    "Education",
    "Entry",
    "Experience",
    "JobApplication",
    "JobPosting",
    "Narrative",
    "Profile",
    "ProfileQuerySet",
    "ProfileSearch",
    "Project",
    "Publication",
    "Skill",
    "SocialLink",
    "Subscription",
    "TimelineEvent",
    "UsageQuota",
    "UserUsage",
    "check_not_a_uuid",
    "check_not_reserved",
]
