"""Find the handler of a request by its method and path."""

from collections.abc import Callable
from dataclasses import replace

from sandbox.kit.messages import Reply, Request

Handler = Callable[[Request], Reply]
Routes = dict[tuple[str, str], Handler]  # by method and path; `{name}` in a path stands for any one part of it


class NoRoute(Exception):
    """Raised when no route fits; `methods` are those that the path knows, none for an unknown path."""

    def __init__(self, methods: list[str]) -> None:
        super().__init__(methods)
        self.methods = methods


class Router:
    """The routes of one simulator, tried in the order given."""

    def __init__(self, routes: Routes) -> None:
        self._routes = [(method, path.split("/"), handler) for (method, path), handler in routes.items()]

    def find(self, request: Request) -> tuple[Handler, Request]:
        """Return the handler, and the request with the named parts of its path; raise NoRoute when none fits."""
        parts, methods = request.path.split("/"), []
        for method, template, handler in self._routes:
            params = _match(template, parts)
            if params is not None and method == request.method:
                return handler, replace(request, params=params)
            if params is not None:
                methods.append(method)
        raise NoRoute(methods)


def _match(template: list[str], parts: list[str]) -> dict[str, str] | None:
    if len(template) != len(parts):
        return None
    params = {}
    for expected, part in zip(template, parts, strict=True):
        if expected.startswith("{") and part:
            params[expected[1:-1]] = part
        elif expected != part:
            return None
    return params
