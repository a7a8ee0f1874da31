"""Whom a slot's call is about becomes a column: it was cut out of the calldata with every question."""

from django.db import migrations, models

# The user is the first argument of updateUser, a word of 32 bytes behind the selector; nothing else was ever a call.
FILL = """
UPDATE evm_nonce_slot SET subject = '0x' || encode(substring(calldata FROM 17 FOR 20), 'hex')
WHERE kind = 'call' AND length(calldata) >= 36
"""


class Migration(migrations.Migration):
    dependencies = [("chains", "0002_evm_tables")]
    operations = [
        migrations.AddField(
            model_name="nonceslot",
            name="subject",
            field=models.CharField(blank=True, db_default="", max_length=42),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
