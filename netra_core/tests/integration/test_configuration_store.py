"""Stores of configuration revisions: memory, SQLite, PostgreSQL."""

from collections.abc import Generator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from netra_core.configuration import (
    MemoryRevisionStore,
    RevisionStore,
    StoreError,
    open_configuration,
    open_store,
)
from netra_core.environment import IsolatedEnvironment
from netra_core.testing.configuration_store_conformance import (
    ConfigurationStoreConformance,
    OpenStore,
    write,
)
from netra_core.testing.postgres import MIGRATION_ROLE, PostgresTestServer, TestDatabase

pytestmark = pytest.mark.integration


class TestMemoryStore(ConfigurationStoreConformance):
    @pytest.fixture
    def open_one(self) -> OpenStore:
        store = MemoryRevisionStore()
        return lambda: store


class TestSqliteStore(ConfigurationStoreConformance):
    @pytest.fixture
    def open_one(self, tmp_path: Path) -> Generator[OpenStore]:
        with ExitStack() as stack:
            yield lambda: stack.enter_context(
                closing(open_store(f"sqlite:///{tmp_path}/config.sqlite"))
            )


class TestPostgresStore(ConfigurationStoreConformance):
    @pytest.fixture
    def open_one(self, postgres_database: TestDatabase) -> Generator[OpenStore]:
        with ExitStack() as stack:

            def open_it() -> RevisionStore:
                return stack.enter_context(closing(open_store(postgres_database.migration_url)))

            yield open_it

    def test_a_role_that_may_not_make_tables_reads_nothing_and_says_what_to_do(
        self, postgres_database: TestDatabase
    ) -> None:
        with closing(open_store(postgres_database.app_url)) as store:
            assert (store.head(), store.read()) == (None, [])
            with pytest.raises(StoreError, match="apex db upgrade"):
                write(store, 1)
            with closing(open_store(postgres_database.url(MIGRATION_ROLE))) as owner:
                write(owner, 1)

    def test_a_configuration_lives_in_the_platforms_postgresql(
        self, postgres_database: TestDatabase, tmp_path: Path
    ) -> None:
        variables = {
            "ENVIRONMENT": "test",
            "APEX_HOME": str(tmp_path),
            "POSTGRES_HOST": postgres_database.host,
            "POSTGRES_PORT": str(postgres_database.port),
            "POSTGRES_USER": MIGRATION_ROLE,
            "POSTGRES_PASSWORD": "p@ss/word:1",
            "POSTGRES_DB": postgres_database.name,
        }
        env = IsolatedEnvironment(variables)
        with closing(open_configuration(env)) as manager:
            manager.set("llm.model", "gpt-5", actor="admin")
        with closing(open_configuration(env)) as again:
            assert again.get("llm.model") == "gpt-5" and again.verify_history() == ()
        assert not (tmp_path / "config.sqlite").exists()

    def test_a_database_that_went_away_is_one_clear_error_and_comes_back(
        self, tmp_path: Path
    ) -> None:
        with ExitStack() as stack:
            server = PostgresTestServer(tmp_path)
            stack.callback(server.close)
            database = server.new_database()
            store = stack.enter_context(closing(open_store(database.migration_url)))
            write(store, 2)
            server.stop(mode="immediate")
            with pytest.raises(StoreError) as refused:
                store.head()
            assert "p@ss" not in str(refused.value) and "p%40ss" not in str(refused.value)
            server.start()
            head = store.head()
            assert head is not None and head.number == 2
