"""Every write of profiles and of what hangs on them.

Each write locks the profile first, so writes to one profile come one after another.
"""
