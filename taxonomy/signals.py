"""Connects the declarations of ``cache.py``."""

from midst.kernel.invalidation import connect
from taxonomy.cache import INVALIDATES

connect(INVALIDATES)
