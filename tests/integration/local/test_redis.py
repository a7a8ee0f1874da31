"""The embedded Redis answers, and its data is gone with it: nothing may depend on it."""

from pathlib import Path

import redis

from fiatrails.local.redis import EmbeddedRedis
from tests.kit.ports import free_port


def test_it_stores_while_it_runs(redis_server: EmbeddedRedis) -> None:
    client = redis.Redis.from_url(redis_server.url)
    client.set("key", "value")
    assert client.get("key") == b"value"
    client.close()


def test_it_forgets_over_a_restart(tmp_path: Path) -> None:
    server = EmbeddedRedis(free_port(), log_path=tmp_path / "redis.log")
    with server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
    with server, redis.Redis.from_url(server.url) as client:
        assert client.get("key") is None
