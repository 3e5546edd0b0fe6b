"""What of the profiles is cached, for how long, and which changes make it void."""

from midst.kernel.cache import Kind
from profiles.models import Profile

PROFILES = Kind("profiles", ttl_s=600)

GROUP = "profiles"
INVALIDATES = {Profile: (GROUP,)}


def list_key(*, limit: int, cursor: str) -> str:
    return f"profiles:list:{limit}:{cursor}"


def detail_key(reference: str) -> str:
    return f"profile:{reference}"
