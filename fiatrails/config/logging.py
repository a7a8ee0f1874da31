"""Logs of the API: JSON to stdout (see `fiatrails.kernel.log`), gunicorn's own among them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from gunicorn.config import Config as GunicornConfig  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from pydantic import SecretStr

from fiatrails.config.env import Environment
from fiatrails.kernel.log import configure


class GunicornLogger(Logger):  # type: ignore[misc]
    """Configures the process's logs before anything is logged, and sends gunicorn's through the same handler."""

    def setup(self, cfg: GunicornConfig) -> None:
        """Configure the logs: gunicorn calls it in the arbiter, and workers inherit it."""
        super().setup(cfg)
        environment = Environment()
        configure(as_json=environment.fiatrails_log_json, secrets=secrets_of(environment))
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def secrets_of(environment: Environment) -> Iterator[str]:
    """Yield everything in the environment that no log line may show, and the parts of URLs that grant access."""
    for name in type(environment).model_fields:
        value = getattr(environment, name)
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
    password = urlsplit(environment.database_url.get_secret_value()).password
    if password:
        yield password
    for url in (environment.rpc_url or "").split(","):
        parts = urlsplit(url.strip())
        # Providers of RPC put their keys into the path or the query.
        yield from filter(None, (parts.password, parts.path.strip("/"), parts.query))
