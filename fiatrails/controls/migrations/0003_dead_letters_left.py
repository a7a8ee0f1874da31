"""Dead letters are the engine's now; their table went with them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("controls", "0002_audit_subject"), ("engine", "0002_dead_letters")]
    operations = [migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("DeadLetter")])]
