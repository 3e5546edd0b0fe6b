"""The form that starts a load run, at the rate and for the time that are wanted."""

from typing import Any

from django import forms

from perfops.budgets import starting
from perfops.budgets.starting import MINUTES, UP_TO, Wishes
from perfops.load.parameters import MOST_ROWS, ORDERS, ParametersRefused, parse_mix
from perfops.load.sizing import SizeRefused, check_caps


class StartForm(forms.Form):
    """Which scenario, against which target, how much and how long; or its highest rate."""

    scenario = forms.ChoiceField()
    target = forms.CharField(max_length=200, help_text="A base URL on the list of allowed targets.")
    rate = forms.FloatField(
        required=False, min_value=1, label="Highest rate",
        help_text="Requests/s; all of the scenario's rates follow. Empty: as its file says.",
    )  # fmt: skip
    seconds = forms.FloatField(
        required=False, min_value=1, label="Duration",
        help_text="Seconds; all of the scenario's stages follow. Empty: as its file says.",
    )  # fmt: skip
    mix = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 5}), label="Mix",
        help_text="One line each: a part of the scenario and its share. What is not named is not "
        "asked for. Empty: as its file says.",
    )  # fmt: skip
    data_set = forms.ChoiceField(
        required=False, label="Data set",
        choices=[("", "as its file says"), *((each, each) for each in ORDERS)],
        help_text="Which rows fill in the paths of routes.json.",
    )  # fmt: skip
    rows = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_ROWS, label="Rows",
        help_text="How many different ones: more of them are colder caches. Empty: as its file "
        "says.",
    )  # fmt: skip
    abort_after = forms.FloatField(
        required=False, min_value=0, label="End it early after",
        help_text="Seconds: as soon as it breaks a budget that fails it, but not before. Empty: it "
        "goes on to its end.",
    )  # fmt: skip
    find_limit = forms.BooleanField(
        required=False, label="Seek the highest rate that keeps the budgets",
        help_text="Instead of the plan: a ramp, then holds above and below the likely limit.",
    )  # fmt: skip
    up_to = forms.FloatField(
        required=False, min_value=1, label="Seek up to",
        help_text=f"Requests/s, when the highest rate is sought. Empty: {UP_TO:,.0f}.",
    )  # fmt: skip
    minutes = forms.FloatField(
        required=False, min_value=1, label="Seek for",
        help_text=f"Minutes at most, when the highest rate is sought. Empty: {MINUTES:g}.",
    )  # fmt: skip

    def __init__(self, *args: Any, scenarios: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["scenario"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 -- declared above
        field.choices = [(name, name) for name in scenarios]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        minutes = given.get("minutes")
        self._check_cap("rate", given.get("rate"), None)
        self._check_cap("seconds", None, given.get("seconds"))
        self._check_cap("up_to", given.get("up_to"), None)
        self._check_cap("minutes", None, None if minutes is None else minutes * 60)
        for name, text in starting.refusals(self.wishes()).items():
            if not self.has_error(name):
                self.add_error(name, text)
        return given

    def clean_mix(self) -> dict[str, float]:
        try:
            return parse_mix(self.cleaned_data["mix"])
        except ParametersRefused as error:
            raise forms.ValidationError(str(error)) from error

    def wishes(self) -> Wishes:
        """Return what is not to be as the scenario says."""
        known = {name: self.cleaned_data.get(name) for name in Wishes.__struct_fields__}
        # What is wrong is not among them, and has its error already.
        return Wishes(**{name: value for name, value in known.items() if value is not None})

    def _check_cap(self, name: str, rate: float | None, seconds: float | None) -> None:
        try:
            check_caps(rate, seconds)
        except SizeRefused as error:
            self.add_error(name, str(error))


class RateForm(forms.Form):
    """At which rate (requests/s) a run is to go on."""

    rate = forms.FloatField(min_value=1)
