"""What can go wrong with the embedded stack, said so that a person can mend it."""


class StackError(Exception):
    """One clear sentence: what is wrong, with the value, and what to do."""
