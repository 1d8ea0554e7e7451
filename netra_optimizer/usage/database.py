"""The connection to ClickHouse: embedded (chDB) by a path, a server by a URL; the same client."""

import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from netra_optimizer.usage.arrow_types import ArrowTable
from netra_optimizer.usage.errors import StoreBusy, StoreTooNew, StoreUnreachable
from netra_optimizer.usage.returning import return_memory
from netra_optimizer.usage.schema import MIGRATIONS, VERSION_TABLE

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_SCHEMES: Final = ("http://", "https://", "clickhouse://", "clickhouses://", "chdb://")
_EMBEDDED: Final = {
    "compile_expressions": 0,
    "compile_aggregate_expressions": 0,
    "compile_sort_description": 0,
}
"""No compiled queries: the compiler alone takes 45 MB, and the first query waits for it."""
_CONFIG: Final = Path(__file__).with_name("embedded.xml")
Migrations: TypeAlias = Sequence[Sequence[str]]
Parameters = Mapping[str, Any]
"""Query parameters; Any: ClickHouse's own types."""


class Database:
    """One client, one statement at a time; made for calls from several threads."""

    def __init__(
        self, client: "Client", *, embedded: bool, migrations: Migrations = MIGRATIONS
    ) -> None:
        self._client = client
        self._migrations = migrations
        self._lock = threading.RLock()
        self.embedded = embedded

    @classmethod
    def open(cls, location: "Path | str", *, migrations: Migrations = MIGRATIONS) -> "Database":
        """Connect and migrate. A path is made when it is missing.

        Raises StoreBusy, StoreUnreachable, StoreTooNew.
        """
        text = str(location)
        served = text.startswith(_SCHEMES) and not text.startswith("chdb://")
        client = _connect_server(text) if served else _connect_embedded(text)
        database = cls(client, embedded=not served, migrations=migrations)
        database.migrate()
        return database

    def migrate(self) -> int:
        """Bring the schema to this version; returns the version found before."""
        self.command(
            f"CREATE TABLE IF NOT EXISTS {VERSION_TABLE} "
            "(version UInt32, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY version"
        )
        found = int(self.rows(f"SELECT max(version) FROM {VERSION_TABLE}")[0][0] or 0)
        if found > len(self._migrations):
            raise StoreTooNew(
                f"The usage store has schema {found}, this Apex knows {len(self._migrations)}.",
                hint="Install the newer version of Apex.",
            )
        missing = range(found + 1, len(self._migrations) + 1)
        for version in missing:
            for statement in self._migrations[version - 1]:
                self.command(statement)
        if missing:
            made = ", ".join(f"({version})" for version in missing)
            self.command(f"INSERT INTO {VERSION_TABLE} (version) VALUES {made}")
        return found

    def command(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement that answers nothing."""
        with self._lock:
            self._client.command(sql, parameters=dict(parameters or {}))

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query; Any: as many types as there are columns."""
        with self._lock:
            return [
                tuple(row)
                for row in self._client.query(sql, parameters=dict(parameters or {})).result_rows
            ]

    def table(self, sql: str, parameters: Parameters | None = None) -> ArrowTable:
        """A query's answer in Arrow."""
        with self._lock:
            return self._client.query_arrow(
                sql, parameters=dict(parameters or {}), use_strings=True
            )

    def insert(self, table: str, rows: ArrowTable) -> None:
        """Insert a table; one block, so it is there whole or not at all."""
        self.staged(rows)(table)

    def staged(self, rows: ArrowTable) -> Callable[[str], None]:
        """What inserts these rows into a table, once.

        The embedded engine reads them from a file, so nobody has to hold them meanwhile; through
        the client they would be held three times over.
        """
        if not self.embedded:
            return lambda table: self._insert_arrow(table, rows)
        import pyarrow as pa

        names = ", ".join(f"`{name}`" for name in rows.schema.names)
        file = tempfile.NamedTemporaryFile(prefix="apex-")  # closed below: then it is gone
        with pa.ipc.new_stream(file, rows.schema) as writer:
            writer.write_table(rows)
        file.flush()
        path = file.name.replace("\\", "\\\\").replace("'", "\\'")

        def insert(table: str) -> None:
            with file:
                self.command(
                    f"INSERT INTO {table} ({names}) FROM INFILE '{path}' FORMAT ArrowStream"
                )

        return insert

    def _insert_arrow(self, table: str, rows: ArrowTable) -> None:
        with self._lock:
            self._client.insert_arrow(table, rows)

    def rest(self) -> None:
        """Give back the memory that the embedded engine and its allocators hold for later."""
        if self.embedded:
            self.command("SYSTEM JEMALLOC PURGE")
            return_memory()

    def close(self) -> None:
        """Release the connection; an embedded path may then be opened by another process."""
        with self._lock:
            self._client.close()


def _connect_embedded(path: str) -> "Client":
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import Error

    folder = path.removeprefix("chdb://")
    Path(folder).mkdir(parents=True, exist_ok=True)
    try:
        return clickhouse_connect.get_client(
            interface="chdb",
            path=folder,
            settings=_EMBEDDED,
            chdb_options={"config-file": str(_CONFIG)},
        )
    except (Error, RuntimeError, OSError) as error:
        raise StoreBusy(
            f"The usage store {folder} cannot be opened ({_brief(error)}).",
            hint="Another process may own it: use the running server, or stop it first.",
        ) from None


def _connect_server(url: str) -> "Client":
    from urllib.parse import unquote, urlsplit

    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import Error

    parts = urlsplit(url)
    secure = parts.scheme in ("https", "clickhouses")
    name = unquote(parts.path.strip("/")) or "default"
    try:
        client = clickhouse_connect.get_client(
            host=parts.hostname or "localhost",
            port=parts.port or (8443 if secure else 8123),
            username=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            interface="https" if secure else "http",
            database=name,
            autogenerate_session_id=False,
            form_encode_query_params=True,
        )
    except (Error, OSError) as error:
        where = f"{parts.hostname}:{parts.port or ''}"
        raise StoreUnreachable(
            f"The ClickHouse server at {where} does not answer ({_brief(error)}).",
            hint="Check usage.clickhouse_url and that the server runs.",
        ) from None
    return client


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]
