"""Profiles and all that hangs on them, over HTTP."""

from profiles.api.collections import router as collections
from profiles.api.narratives import router as narratives
from profiles.api.plans import router as plans
from profiles.api.postings import router as postings
from profiles.api.profiles import router

router.add_router("", collections)
router.add_router("", narratives)
router.add_router("", plans)

__all__ = ["postings", "router"]
