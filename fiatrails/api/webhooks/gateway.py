"""M-PESA confirmations from a gateway that signs."""

from fiatrails.api.webhooks.signed import signed_callback
from fiatrails.providers.mpesa import gateway

gateway_callback = signed_callback(gateway.PROVIDER, gateway.verify)
