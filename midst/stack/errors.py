"""What can go wrong with the embedded stack, with what to do about it."""


class StackError(Exception):
    """One clear sentence: what is wrong, with the value, and what to do."""
