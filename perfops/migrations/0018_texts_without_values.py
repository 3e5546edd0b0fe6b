"""Findings about sessions lose the values in their statements, and remedies that name a process.

Version 0.1 stored texts of pg_stat_activity as they were. Of findings whose statements differ in
their values alone the one seen last stays.
"""

import hashlib
import re

from django.db import migrations

ADVISORS = ("long_queries", "idle_in_transaction", "blocked_sessions")
LABELS = {"statement", "last statement", "waiting statement", "holder's last statement"}
PROCESS = re.compile(r"pg_(?:terminate|cancel)_backend\(\s*\d+\s*\)")
# As perfops.analysis.collectors.activity had it when this was written.
LITERAL = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|(?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?:(?P=tag)|\Z)
    |\b(?:E|e)'(?:[^'\\]|\\.|'')*(?:'|\Z)|(?:\b[BbXxNn]|\b[Uu]&)?'(?:[^']|'')*(?:'|\Z)
    |(?<![\w$"])\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?(?!\w)|(?P<name>"(?:[^"]|"")*(?:"|\Z))""",
    re.DOTALL | re.VERBOSE,
)


def normalised(text):
    number = 0

    def replaced(match):
        nonlocal number
        if match["name"] is not None:
            return match[0]
        if match[0].startswith(("--", "/*")):
            return " "
        number += 1
        return f"${number}"

    return LITERAL.sub(replaced, text)


def without_values(evidence):
    return [
        [label, normalised(value) if label in LABELS and isinstance(value, str) else value]
        for label, value in evidence
    ]


def take_out(apps, schema_editor):
    using = schema_editor.connection.alias
    findings = apps.get_model("perfops", "Finding").objects.using(using)
    occurrences = apps.get_model("perfops", "Occurrence").objects.using(using)
    for finding in findings.filter(advisor__in=ADVISORS).order_by("-last_seen_at", "-pk"):
        if finding.advisor == "long_queries":
            text = normalised(finding.object)
            whole = dict(without_values(finding.evidence)).get("statement") or text
            subject = f"{finding.advisor}\0{whole}"
            fingerprint = hashlib.sha256(subject.encode()).hexdigest()
            same = findings.filter(database=finding.database, fingerprint=fingerprint)
            if same.exclude(pk=finding.pk).exists():
                finding.delete()
                continue
            finding.title = finding.title.replace(finding.object, text)
            finding.object, finding.fingerprint = text, fingerprint
        finding.evidence = without_values(finding.evidence)
        if PROCESS.search(finding.statement):
            finding.statement = ""
        finding.remedy = PROCESS.sub("pg_terminate_backend(pid)", finding.remedy)
        finding.save()
    for seen in occurrences.filter(finding__advisor__in=ADVISORS).iterator():
        seen.evidence = without_values(seen.evidence)
        seen.save(update_fields=["evidence"])


class Migration(migrations.Migration):
    dependencies = [("perfops", "0017_occurrence_incident")]
    operations = [migrations.RunPython(take_out, migrations.RunPython.noop)]
