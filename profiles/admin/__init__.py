"""The admin pages of profiles and their collections.

No page counts or sorts a whole table; each search has an index for it.
"""

from profiles.admin import collections, jobs, plans, profiles  # noqa: F401 -- importing registers
