"""Held for a hit on a sanctions list, or beyond a velocity limit."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('purchases', '0002_append_only'),
    ]

    operations = [
        migrations.AlterField(
            model_name='intent',
            name='hold',
            field=models.CharField(blank=True, choices=[('amount_mismatch', 'amount_mismatch'), ('not_compliant', 'not_compliant'), ('sanctions', 'sanctions'), ('velocity', 'velocity'), ('late_payment', 'late_payment'), ('chain_refused', 'chain_refused'), ('refund_failed', 'refund_failed'), ('operator', 'operator')], default='', max_length=20),
        ),
    ]
