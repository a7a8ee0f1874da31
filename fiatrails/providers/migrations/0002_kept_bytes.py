"""What a provider sent is kept as it came: an event moves on, its bytes and names do not change, and no row goes."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER keep_rows BEFORE DELETE OR TRUNCATE ON rb_core_inbox_event
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
CREATE TRIGGER keep_bytes BEFORE UPDATE OF raw, digest, provider, event_key, received_at ON rb_core_inbox_event
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
"""
BACKWARD = """
DROP TRIGGER keep_bytes ON rb_core_inbox_event;
DROP TRIGGER keep_rows ON rb_core_inbox_event;
"""


class Migration(migrations.Migration):
    dependencies = [("rb_core", "0001_initial"), ("controls", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
