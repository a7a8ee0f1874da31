"""Decisions are kept as they were made, whoever asks."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON compliance_decision
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
"""
BACKWARD = "DROP TRIGGER append_only ON compliance_decision;"


class Migration(migrations.Migration):
    dependencies = [("compliance", "0001_initial"), ("controls", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
