"""Tables of the providers layer (app label `rb_core`); each lives in its own module and is re-exported here."""

from fiatrails.providers.core.models import InboxConflict, Payment, ProviderRequest

__all__ = ["InboxConflict", "Payment", "ProviderRequest"]
