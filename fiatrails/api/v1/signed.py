"""What every view for API clients has: a signature, a quota, a caller."""

from __future__ import annotations

from typing import Any, cast

from rest_framework.request import Request
from rest_framework.views import APIView

from fiatrails.api.authentication import Caller
from fiatrails.api.errors import MethodNotAllowed


class SignedView(APIView):
    """A view for API clients. Unknown methods are refused before anything else is looked at."""

    def initial(self, request: Request, *_: Any, **__: Any) -> None:
        """Check the method, then the signature, then the permission; authentication counts the quota."""
        if request.method not in self.allowed_methods:
            raise MethodNotAllowed(", ".join(self.allowed_methods))
        self.perform_authentication(request)
        self.check_permissions(request)


def client_of(request: Request) -> str:
    """Return the name of the API client that signed."""
    return cast(Caller, request.user).client
