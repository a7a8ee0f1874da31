"""The timeline is append-only, whoever asks."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON purchases_transition
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
"""
BACKWARD = "DROP TRIGGER append_only ON purchases_transition;"


class Migration(migrations.Migration):
    dependencies = [("purchases", "0001_initial"), ("controls", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
