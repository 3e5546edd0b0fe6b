"""Connects the declarations of ``cache.py``."""

from midst.kernel.cache.signals import connect
from taxonomy.cache import INVALIDATES

connect(INVALIDATES)
