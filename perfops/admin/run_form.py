"""The form that starts a load run, at the rate and for the time that are wanted."""

from typing import Any

from django import forms

from perfops.budgets import services as budgets
from perfops.load.limit_search import Search
from perfops.load.sizing import MOST_RATE, MOST_SECONDS, Size

_UP_TO, _MINUTES, _MOST_MINUTES = 2000, 8, 60


class StartForm(forms.Form):
    """Which scenario, against which target, how much and how long; or its highest rate."""

    scenario = forms.ChoiceField()
    target = forms.CharField(max_length=200, help_text="A base URL on the list of allowed targets.")
    rate = forms.FloatField(
        required=False, min_value=1, max_value=MOST_RATE, label="Highest rate",
        help_text="Requests/s; all of the scenario's rates follow. Empty: as its file says.",
    )  # fmt: skip
    seconds = forms.FloatField(
        required=False, min_value=1, max_value=MOST_SECONDS, label="Duration",
        help_text="Seconds; all of the scenario's stages follow. Empty: as its file says.",
    )  # fmt: skip
    find_limit = forms.BooleanField(
        required=False, label="Seek the highest rate that keeps the budgets",
        help_text="Instead of the plan: a ramp, then holds above and below the likely limit.",
    )  # fmt: skip
    up_to = forms.FloatField(
        required=False, min_value=1, max_value=MOST_RATE, label="Seek up to",
        help_text=f"Requests/s, when the highest rate is sought. Empty: {_UP_TO:,}.",
    )  # fmt: skip
    minutes = forms.FloatField(
        required=False, min_value=1, max_value=_MOST_MINUTES, label="Seek for",
        help_text=f"Minutes at most, when the highest rate is sought. Empty: {_MINUTES}.",
    )  # fmt: skip

    def __init__(self, *args: Any, scenarios: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["scenario"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 -- declared above
        field.choices = [(name, name) for name in scenarios]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        sizes = [name for name in ("rate", "seconds") if given.get(name) is not None]
        bounds = [name for name in ("up_to", "minutes") if given.get(name) is not None]
        if given.get("find_limit"):
            for name in sizes:
                self.add_error(name, "Leave it empty: the search tries rates of its own.")
        else:
            for name in bounds:
                self.add_error(name, "Only where the highest rate is sought: tick that, or empty.")
        return given

    def size(self) -> Size:
        """Return in which size the scenario is wanted."""
        return Size(self.cleaned_data["rate"], self.cleaned_data["seconds"])

    def limit(self) -> Search | None:
        """Return the search for the highest rate; None where none is wanted."""
        given = self.cleaned_data
        if not given["find_limit"]:
            return None
        return budgets.limit_search(
            ceiling=given["up_to"] or _UP_TO, minutes=given["minutes"] or _MINUTES
        )
