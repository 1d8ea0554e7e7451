"""Fixtures of tests that need a real PostgreSQL; the server starts when first asked for."""

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from netra_core.testing.postgres import PostgresTestServer, TestDatabase


@pytest.fixture(scope="session")
def postgres() -> "Generator[PostgresTestServer]":
    """One PostgreSQL server for the whole session; tests that stop it take one of their own."""
    from netra_core.testing.postgres import postgres_server

    with postgres_server() as server:
        yield server


@pytest.fixture
def postgres_database(postgres: "PostgresTestServer") -> "Generator[TestDatabase]":
    """A fresh, empty database with an application's and a migration's role."""
    database = postgres.new_database()
    yield database
    postgres.drop_database(database)
