"""Profiles and all that hangs on them, for the people who look after them.

No page counts or sorts a whole table; each search has an index for exactly that look-up.
"""

from profiles.admin import jobs, parts, plans, profiles  # noqa: F401 -- importing registers
