"""What the profiles' endpoints take and send."""

from profiles.schemas.profile import (
    NewProfile,
    OwnProfileList,
    Profile,
    ProfileChanges,
    ProfileList,
    ProfileSummary,
)

__all__ = [
    "NewProfile",
    "OwnProfileList",
    "Profile",
    "ProfileChanges",
    "ProfileList",
    "ProfileSummary",
]
