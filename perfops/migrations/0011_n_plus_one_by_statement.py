"""N+1 findings are told apart by their statement: those there are take its mark, and live on."""

import hashlib
import re

from django.db import migrations

LIST = re.compile(r"\(%s(?:, ?%s)+\)")


def tell_apart(apps, schema_editor):
    """A finding whose statement is not known any more stays as it is: the next one is new."""
    using = schema_editor.connection.alias
    findings = apps.get_model("perfops", "Finding").objects.using(using)
    templates = apps.get_model("perfops", "QueryTemplate").objects.using(using)
    for finding in findings.filter(advisor="n_plus_one"):
        told = dict(finding.evidence).get("statement")
        sent = templates.filter(database=finding.database, queryids__overlap=finding.queryids)
        texts = {" ".join(text.split()) for text in sent.values_list("text", flat=True)}
        whole = {LIST.sub("(%s)", text) for text in texts if told and text.startswith(told)}
        if len(whole) == 1:
            subject = f"n_plus_one\0{finding.object}\0{whole.pop()}"
            finding.fingerprint = hashlib.sha256(subject.encode()).hexdigest()
            finding.save(update_fields=["fingerprint"])


class Migration(migrations.Migration):
    dependencies = [("perfops", "0010_no_index_twice")]
    operations = [migrations.RunPython(tell_apart, migrations.RunPython.noop)]
