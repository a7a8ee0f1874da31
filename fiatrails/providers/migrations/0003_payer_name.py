"""The payer's name, where a provider tells it; kept as it came, like the bytes."""

from django.db import migrations, models

FORWARD = """
DROP TRIGGER keep_bytes ON rb_core_inbox_event;
CREATE TRIGGER keep_bytes BEFORE UPDATE OF raw, digest, provider, event_key, payer_name, received_at
    ON rb_core_inbox_event FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
"""
BACKWARD = """
DROP TRIGGER keep_bytes ON rb_core_inbox_event;
CREATE TRIGGER keep_bytes BEFORE UPDATE OF raw, digest, provider, event_key, received_at ON rb_core_inbox_event
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('rb_core', '0002_kept_bytes'),
    ]

    operations = [
        migrations.AddField(
            model_name='inboxevent',
            name='payer_name',
            field=models.CharField(blank=True, db_default='', default='', max_length=320),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
