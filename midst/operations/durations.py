"""How long something took or is ago, as the operators' pages of Midst write it.

perfops has a function of its own: apps of the domain know nothing of perfops.
"""

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def duration_text(seconds: float) -> str:
    """Return "70 seconds", "1 hour", "3 days": the greatest unit of which there are two, or one."""
    fits = (each for each in _UNITS if seconds >= 2 * each[0] or seconds == each[0])
    length, unit = next(fits, _UNITS[-1])
    number = round(seconds / length)
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
