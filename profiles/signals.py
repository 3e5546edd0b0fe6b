"""Connects the declarations of ``cache.py``."""

from midst.kernel.invalidation import connect
from profiles.cache import INVALIDATES

connect(INVALIDATES)
