"""Every read of profiles and of what hangs on them.

Hot reads return finished JSON through the cache; nobody's own view is ever kept.
"""
