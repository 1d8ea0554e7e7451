"""Databases and their configuration, on real SQLite files and a real PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from itertools import product
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url, text

from netra_apex.database_urls import database_urls
from netra_auth.database import AuthDatabaseManager
from netra_auth.errors import AuthDatabaseUnusable
from netra_backend.migrations import migrate_platform, platform_migrations
from netra_core import UserExecutionContext
from netra_core.configuration import (
    ConfigurationChange,
    Settings,
    VetoError,
    load_settings,
    open_configuration,
)
from netra_core.database import (
    DatabaseLoginError,
    DatabaseOptions,
    DatabasePermissionError,
    DatabaseSessionManager,
    DatabaseTlsError,
    DatabaseURLBuilder,
    DatabaseUrlError,
    GroupCommit,
    PoolExhaustedError,
    RowAccessError,
    SchemaTooNewError,
    SystemContext,
)
from netra_core.database.migrations import MigrationRunner
from netra_core.database.postgres import driver_arguments
from netra_core.database.reload import ReconnectOnChange, options_from
from netra_core.environment import Environment, IsolatedEnvironment
from netra_core.state import UnifiedStateManager
from netra_core.state.sql import SqlStateStore
from netra_core.testing import BaseIntegrationTest
from netra_core.testing.postgres import APP_ROLE, PostgresTestServer, TestDatabase
from netra_core.testing.tls_proxy import make_certificate, tls_proxy

SYSTEM = SystemContext(actor="suite")
PARTS = {
    "POSTGRES_HOST": "db.example.com",
    "POSTGRES_PORT": "6543",
    "POSTGRES_USER": "apex",
    "POSTGRES_PASSWORD": "pass word@/:ü",
    "POSTGRES_DB": "apex",
}
DRIVERS = ("asyncpg", "psycopg", "libpq", "async", "sync")
Open = Callable[..., DatabaseSessionManager]


def errors(values: dict[str, str]) -> list[str]:
    findings = DatabaseURLBuilder(values).validate()
    return [finding.message for finding in findings if finding.severity == "error"]


@pytest.mark.integration
class TestDatabaseConfiguration(BaseIntegrationTest):
    """From variables to live connections: the right database, or a clear refusal.

    Segment: every team that runs Apex, on a laptop or in production.
    Goal: stability and trust.
    Value: a wrong address, secret or schema is found at the start, in one sentence.
    Impact: a production service on a throw-away database loses a customer's history.
    """

    @pytest.fixture
    async def open(self) -> AsyncGenerator[Open]:
        """Opens session managers that are closed when the test is over."""
        opened: list[DatabaseSessionManager] = []

        def open_one(url: str, **options: object) -> DatabaseSessionManager:
            manager = DatabaseSessionManager(url, options=DatabaseOptions(**options))
            opened.append(manager)
            return manager

        yield open_one
        for manager in opened:
            await manager.dispose()

    @pytest.fixture(params=["sqlite", "postgresql"])
    def empty_url(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        """An empty database of either kind, as its migrations reach it."""
        if request.param == "sqlite":
            return f"sqlite+aiosqlite:///{tmp_path}/empty.sqlite"
        database: TestDatabase = request.getfixturevalue("postgres_database")
        return database.migration_url

    def settings(self, **variables: str) -> Settings:
        """Settings of this test's own environment."""
        env = IsolatedEnvironment({"APEX_HOME": str(self.home), **variables})
        return load_settings(env)

    def auth_runner(self, url: str) -> MigrationRunner:
        from netra_auth.database.tables import metadata

        return MigrationRunner(
            url,
            package="netra_auth.migrations",
            metadata=metadata,
            options=DatabaseOptions(schema="auth"),
        )

    def test_parts_become_the_url_of_each_environment_and_driver(self) -> None:
        for environment, driver in product(Environment, DRIVERS):
            url = make_url(DatabaseURLBuilder(PARTS, environment=environment).build(driver))
            assert (url.host, url.port, url.database) == ("db.example.com", 6543, "apex")
            assert (url.username, url.password) == ("apex", "pass word@/:ü")
            tls = "ssl" if driver in ("asyncpg", "async") else "sslmode"
            assert dict(url.query) == ({tls: "require"} if environment.deployed else {})

    def test_auth_and_platform_agree_on_the_server_they_were_given(self) -> None:
        settings = self.settings(ENVIRONMENT="development", **PARTS)
        urls = database_urls(settings)
        platform, auth, dbos = (make_url(url) for url in (urls.platform, urls.auth, urls.dbos))
        assert platform == auth
        assert (dbos.host, dbos.database) == (platform.host, platform.database)
        own = self.settings(AUTH_DATABASE_URL="postgresql://a:b@auth.example.com/people", **PARTS)
        assert make_url(database_urls(own).auth).host == "auth.example.com"
        assert make_url(database_urls(own).platform).host == "db.example.com"

    def test_with_nothing_set_each_database_is_a_file_at_home_or_in_memory(self) -> None:
        urls = database_urls(self.settings(ENVIRONMENT="development"))
        assert make_url(urls.platform).database == str(self.home / "platform.sqlite")
        assert make_url(urls.auth).database == str(self.home / "auth.sqlite")
        memory = database_urls(self.settings(ENVIRONMENT="test"))
        assert memory.platform == "sqlite+aiosqlite:///:memory:"

    def test_everything_wrong_in_production_is_said_at_once(self) -> None:
        found = errors({"ENVIRONMENT": "production", "POSTGRES_HOST": "localhost"})
        assert found == [
            "production needs a user",
            "production needs a password",
            "production needs a database name",
            "production must not use a database on localhost",
        ]

    def test_a_missing_host_in_production_is_an_error_and_no_default(self) -> None:
        values = {key: value for key, value in PARTS.items() if key != "POSTGRES_HOST"}
        for environment in ("production", "prod", "staging", "stage"):
            (message,) = errors({"ENVIRONMENT": environment, **values})
            assert "has no database" in message

    def test_a_cloud_sql_instance_is_reached_by_its_socket(self) -> None:
        values = {**PARTS, "ENVIRONMENT": "production", "POSTGRES_HOST": "/cloudsql/p:eu-1:main"}
        for driver in DRIVERS:
            url = make_url(DatabaseURLBuilder(values).build(driver))
            assert url.query["host"] == "/cloudsql/p:eu-1:main"
            assert not {"ssl", "sslmode"} & set(url.query)

    @pytest.mark.parametrize("instance", ["", "::", "p", "p:r", "p::i", ":r:i", "p:r:", "p:r:i:x"])
    def test_a_bad_cloud_sql_instance_is_refused(self, instance: str) -> None:
        values = {**PARTS, "ENVIRONMENT": "production", "POSTGRES_HOST": f"/cloudsql/{instance}"}
        (message,) = errors(values)
        assert "Cloud SQL" in message

    def test_in_a_container_localhost_is_the_database_service(self) -> None:
        values = {**PARTS, "POSTGRES_HOST": "127.0.0.1"}
        inside = DatabaseURLBuilder(values, in_container=True, container_host="postgres")
        outside = DatabaseURLBuilder(values, container_host="postgres")
        assert make_url(inside.build()).host == "postgres"
        assert make_url(outside.build()).host == "127.0.0.1"

    async def test_the_fast_in_memory_mode_is_for_tests_alone(self) -> None:
        with pytest.raises(AuthDatabaseUnusable):
            AuthDatabaseManager("sqlite+aiosqlite:///:memory:")
        for environment in ("staging", "production"):
            values = {"ENVIRONMENT": environment, "DATABASE_URL": "sqlite:///:memory:"}
            assert errors({**values, "APEX_EMBEDDED": "1", "AUTH_FAST_TEST_MODE": "1"}) == [
                f"SQLite in memory would lose everything in {environment}"
            ]
        fast = AuthDatabaseManager("sqlite+aiosqlite:///:memory:", testing=True)
        await fast.migrate()
        await fast.health_check()
        await fast.dispose()

    async def test_credentials_with_every_hard_character_log_in(
        self, postgres: PostgresTestServer, postgres_database: TestDatabase, open: Open
    ) -> None:
        password = "a@b:c/d?e#f[g]h%i j&k=l+m'n\"o\\pü😀"
        role = "o'role @:/%"
        with postgres.admin() as connection:
            connection.execute(
                f"""CREATE ROLE "{role}" LOGIN PASSWORD '{password.replace("'", "''")}'"""
            )
        values = {
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(postgres.port),
            "POSTGRES_USER": role,
            "POSTGRES_PASSWORD": password,
            "POSTGRES_DB": postgres_database.name,
        }
        for driver in ("asyncpg", "psycopg", "libpq"):
            sessions = open(DatabaseURLBuilder(values).build(driver))
            async with sessions.session(SYSTEM, read_only=True) as session:
                assert await session.scalar(text("SELECT current_user")) == role

    async def test_two_configurations_in_one_process_stay_apart(self, open: Open) -> None:
        ann = UserExecutionContext(user_id="ann", workspace_id="w", request_id="r")
        views = []
        for name in ("one", "two"):
            home = self.home / name
            home.mkdir()
            settings = self.settings(ENVIRONMENT="development", APEX_HOME=str(home))
            url = database_urls(settings).platform
            await migrate_platform(url)
            sessions = open(url)
            views.append(
                UnifiedStateManager(SqlStateStore(sessions, GroupCommit(sessions))).for_context(ann)
            )
        await views[0].set("key", "one")
        assert [await view.get("key") for view in views] == ["one", None]

    async def test_a_reload_moves_a_live_pool_without_failing_a_request(
        self, postgres_database: TestDatabase, open: Open, tmp_path: Path
    ) -> None:
        file = tmp_path / "apex.toml"
        env = IsolatedEnvironment(
            {"ENVIRONMENT": "test", "APEX_HOME": str(self.home)}
            | {"DATABASE_URL": postgres_database.app_url}
            | {"APEX_CONFIG_URL": f"sqlite:///{self.home}/config.sqlite"}
        )
        file.write_text("[database]\npool_size = 2\npool_max_overflow = 0\n")
        manager = open_configuration(env, file=file)
        url_of = lambda settings: database_urls(settings).platform  # noqa: E731
        sessions = DatabaseSessionManager(
            url_of(manager.settings), options=options_from(manager.settings.database)
        )
        mover = ReconnectOnChange(sessions, url_of, loop=asyncio.get_running_loop())
        manager.subscribe(mover, ["database.pool_size"])
        answers: list[int] = []
        stop, enough = asyncio.Event(), asyncio.Semaphore(0)

        async def client() -> None:
            while not stop.is_set():
                async with sessions.session(SYSTEM, read_only=True) as session:
                    answers.append(await session.scalar(text("SELECT 1")))
                enough.release()

        clients = [asyncio.create_task(client()) for _ in range(6)]
        for size in (3, 5, 1):
            for _ in range(20):
                await enough.acquire()
            file.write_text(f"[database]\npool_size = {size}\npool_max_overflow = 0\n")
            await asyncio.to_thread(manager.reload)
            await mover.settled()
            assert sessions.stats().pool_size == size
        stop.set()
        await asyncio.gather(*clients)
        assert set(answers) == {1}
        assert sessions.stats().pool_in_use == 0
        await sessions.dispose()
        manager.close()

    async def test_a_reload_to_an_address_that_cannot_be_used_is_vetoed(self, open: Open) -> None:
        sessions = open(f"sqlite+aiosqlite:///{self.home}/a.sqlite")

        def refuse(settings: Settings) -> str:
            raise DatabaseUrlError("no such place")

        mover = ReconnectOnChange(sessions, refuse, loop=asyncio.get_running_loop())
        settings = self.settings()
        change = ConfigurationChange(
            revision=1, keys=frozenset(), previous=settings, current=settings
        )
        with pytest.raises(VetoError, match="no such place"):
            mover.prepare(change)
        mover.commit(change)
        await mover.settled()
        assert sessions.url.database == f"{self.home}/a.sqlite"

    async def test_a_reconnect_to_a_database_that_refuses_changes_nothing(
        self, postgres_database: TestDatabase, open: Open
    ) -> None:
        sessions = open(postgres_database.app_url)
        with pytest.raises(DatabaseLoginError):
            await sessions.reconnect(postgres_database.app_url.replace("p%40ss", "wrong"))
        assert (await sessions.health_check()).ok

    def test_no_secret_is_shown_by_logs_reports_or_errors(self) -> None:
        for form in (PARTS, {"DATABASE_URL": "postgres://apex:pass word@/:ü@db.example.com/apex"}):
            made = DatabaseURLBuilder({"ENVIRONMENT": "production", **form})
            shown = [made.get_safe_log_message(), str(made.debug_info())]
            assert all("pass word" not in line and "ü" not in line for line in shown)
        self.assert_no_secret("\n".join(shown), ["pass word@/:ü"])

    async def test_migrations_go_up_and_down_and_up_again(self, empty_url: str) -> None:
        for runner in (platform_migrations(empty_url), self.auth_runner(empty_url)):
            before = await runner.current()
            assert (before.current, before.up_to_date) == (None, False)
            up = await runner.upgrade()
            assert up.current == up.head
            assert (await runner.upgrade()).current == up.head
            assert (await runner.check()).up_to_date
            assert (await runner.downgrade()).current is None
            await runner.upgrade()
            assert (await runner.check()).up_to_date

    async def test_two_processes_that_migrate_at_once_take_turns(self, empty_url: str) -> None:
        outcomes = await asyncio.gather(*(migrate_platform(empty_url) for _ in range(3)))
        assert len({outcome.current for outcome in outcomes}) == 1
        assert (await platform_migrations(empty_url).check()).up_to_date

    async def test_a_database_of_a_newer_release_is_refused(
        self, empty_url: str, open: Open
    ) -> None:
        await migrate_platform(empty_url)
        sessions = open(empty_url)
        async with sessions.session(SYSTEM) as session:
            await session.execute(text("UPDATE alembic_version SET version_num = 'future'"))
        with pytest.raises(SchemaTooNewError, match="'future'"):
            await migrate_platform(empty_url)

    async def test_health_says_which_database_fails_and_why(
        self, postgres_database: TestDatabase, open: Open
    ) -> None:
        assert (await open(postgres_database.app_url).health_check()).ok
        health = await open(postgres_database.app_url.replace("p%40ss", "no")).health_check()
        assert not health.ok
        assert health.error is not None
        assert "DB-003" in health.error
        with pytest.raises(AuthDatabaseUnusable):
            auth = AuthDatabaseManager("postgresql+asyncpg://u:p@127.0.0.1:1/none")
            await auth.health_check()

    async def test_tls_is_asked_for_in_each_drivers_own_words_and_checked(
        self, postgres_database: TestDatabase, open: Open, tmp_path: Path
    ) -> None:
        made = make_certificate(tmp_path)
        async with tls_proxy(made, host="127.0.0.1", port=postgres_database.port) as port:
            values = {
                "DATABASE_URL": postgres_database.url(APP_ROLE, port=port),
            }
            plain = make_url(values["DATABASE_URL"])
            trusted = plain.update_query_dict(
                {"sslmode": "verify-full", "sslrootcert": str(made.certificate)}
            ).render_as_string(hide_password=False)
            builder = DatabaseURLBuilder({"DATABASE_URL": trusted})
            for url in (builder.build_for_engine(), builder.build("psycopg"), trusted):
                assert (await open(url).health_check()).error is None
            listening = await asyncpg.connect(
                **driver_arguments(make_url(builder.build_for_engine()))
            )
            assert await listening.fetchval("SELECT 1") == 1
            await listening.close()
            untrusted = DatabaseURLBuilder(
                {"DATABASE_URL": f"{values['DATABASE_URL']}?sslmode=verify-full"}
            )
            sessions = open(untrusted.build("asyncpg"))
            with pytest.raises(DatabaseTlsError):
                await sessions.read(SYSTEM, lambda c: None)

    async def test_the_pools_limit_from_the_settings_is_honoured_under_load(
        self, postgres_database: TestDatabase, open: Open
    ) -> None:
        section = self.settings(
            APEX_DATABASE_POOL_SIZE="2", APEX_DATABASE_POOL_MAX_OVERFLOW="1"
        ).database
        assert (options_from(section).pool_size, options_from(section).pool_overflow) == (2, 1)
        sessions = open(
            postgres_database.app_url, pool_size=2, pool_overflow=1, pool_timeout_s=0.05
        )
        full, leave = asyncio.Semaphore(0), asyncio.Event()

        async def hold() -> None:
            async with sessions.session(SYSTEM) as session:
                await session.execute(text("SELECT 1"))
                full.release()
                await leave.wait()

        holders = [asyncio.create_task(hold()) for _ in range(3)]
        for _ in holders:
            await full.acquire()
        with pytest.raises(PoolExhaustedError):
            await sessions.read(SYSTEM, lambda c: None)
        leave.set()
        await asyncio.gather(*holders)
        await sessions.read(SYSTEM, lambda c: None)
        assert sessions.stats().pool_in_use == 0

    async def test_both_databases_are_really_connected_to_and_keep_their_data(
        self, empty_url: str, open: Open
    ) -> None:
        await migrate_platform(empty_url)
        await self.auth_runner(empty_url).upgrade()
        tables = {
            "platform": "SELECT count(*) FROM events",
            "auth": "SELECT count(*) FROM sessions",
        }
        for schema, count in tables.items():
            sessions = open(empty_url, schema=schema)
            async with sessions.session(SYSTEM, read_only=True) as session:
                assert await session.scalar(text(count)) == 0
        ann = UserExecutionContext(user_id="ann", workspace_id="w", request_id="r")
        for value in (None, 1):
            sessions = open(empty_url)
            view = UnifiedStateManager(SqlStateStore(sessions, GroupCommit(sessions))).for_context(
                ann
            )
            assert await view.get("key") == value
            await view.set("key", 1)

    async def test_the_application_role_reads_and_writes_rows_and_no_foreign_ones(
        self, postgres_database: TestDatabase, open: Open
    ) -> None:
        await migrate_platform(postgres_database.migration_url, app_role=APP_ROLE)
        sessions = open(postgres_database.app_url)
        insert = text(
            "INSERT INTO threads (id, workspace_id, user_id, created_at, updated_at)"
            " VALUES (:id, 'w', :user, now(), now())"
        )
        people = [
            UserExecutionContext(user_id=user, workspace_id="w", request_id="r")
            for user in ("ann", "bob")
        ]
        for ctx in people:
            async with sessions.session(ctx) as session:
                await session.execute(insert, {"id": f"t-{ctx.user_id}", "user": ctx.user_id})
        for ctx in people:
            async with sessions.session(ctx, read_only=True) as session:
                seen = (await session.scalars(text("SELECT id FROM threads"))).all()
            assert seen == [f"t-{ctx.user_id}"]
        with pytest.raises(RowAccessError):
            async with sessions.session(people[0]) as session:
                await session.execute(insert, {"id": "x", "user": "bob"})

    async def test_the_application_role_starts_on_migrated_tables_and_cannot_make_them(
        self, postgres_database: TestDatabase
    ) -> None:
        with pytest.raises(DatabasePermissionError, match="apex db upgrade"):
            await migrate_platform(postgres_database.app_url)
        await migrate_platform(postgres_database.migration_url, app_role=APP_ROLE)
        assert (await migrate_platform(postgres_database.app_url)).up_to_date
