"""Alerts as webhooks take them: JSON with a version, and the text of Slack and its like."""

from dataclasses import asdict

from perfops.budgets.alerts import Alert
from perfops.budgets.judgement_data import as_data


def as_json(alert: Alert) -> dict[str, object]:
    """Return the body of a generic webhook; values in the units of ``Budget``."""
    return {
        "version": 1,
        # The same for each attempt: who was sent one twice can tell.
        "event": f"run-{alert.run.pk}",
        "subject": alert.subject,
        "run": alert.run.pk,
        "scenario": alert.run.scenario,
        "target": alert.run.target,
        "violated": [as_data(each) for each in alert.begun],
        "causes": [asdict(each) for each in alert.causes],
        "over": [as_data(each) for each in alert.over],
        "waived": [as_data(each) for each in alert.waived],
    }


def as_slack(alert: Alert) -> dict[str, object]:
    """Return the body of an incoming webhook of Slack, and of those that understand it."""
    text = "\n".join([f"*{alert.subject}*", *alert.lines])
    return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
