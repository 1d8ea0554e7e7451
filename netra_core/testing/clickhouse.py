"""A ClickHouse server on loopback for tests: its HTTP interface over the embedded engine.

There is no wheel of a ClickHouse server. This stands for one where a client's transport is tested
and on a cluster of one machine: `python -m netra_core.testing.clickhouse --path FOLDER` prints the
address it listens on and serves until it is stopped. One statement runs at a time.
"""

import argparse
import base64
import gzip
import json
import re
import sys
import tempfile
import threading
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_INSERT = re.compile(rb"\s*INSERT\b[^\n]*?\bFORMAT\s+(\w+)[ \t]*\n?", re.IGNORECASE | re.DOTALL)

MAX_FIELD = 128 * 1024
"""Bytes of a form's field: a server's http_max_field_value_size, as it is by default."""


class ClickHouseEngine:
    """The embedded engine, one statement at a time."""

    def __init__(self, path: Path) -> None:
        self._connection: Any = import_module("chdb").connect(str(path))  # Any: chdb has no types
        self._lock = threading.Lock()

    def run(self, sql: str, data: bytes, database: str, parameters: dict[str, str]) -> bytes:
        """Run a statement; `data` are the rows of an INSERT. Raises RuntimeError."""
        with self._lock:
            if database:
                self._connection.query(f"USE `{database}`")
            if data:
                return self._insert(sql, data)
            form = found.group(1) if (found := _FORMAT.search(sql)) else "TabSeparated"
            return bytes(self._connection.query(sql, form, params=parameters).bytes())

    def close(self) -> None:
        """Release the folder."""
        with self._lock:
            self._connection.close()

    def _insert(self, sql: str, data: bytes) -> bytes:
        with tempfile.NamedTemporaryFile(suffix=".rows") as file:
            file.write(data)
            file.flush()
            head, _, form = sql.rstrip().rstrip(";").rpartition(" FORMAT ")
            self._connection.query(f"{head} FROM INFILE '{file.name}' FORMAT {form}")
        return b""


class ClickHouseServer:
    """The engine behind a port of the system's choice on 127.0.0.1."""

    def __init__(
        self, path: Path, *, port: int = 0, user: str = "default", password: str = ""
    ) -> None:
        self._engine = ClickHouseEngine(path)
        expected = base64.b64encode(f"{user}:{password}".encode()).decode()
        engine = self._engine

        class Handler(_Handler):
            served = engine
            credentials = f"Basic {expected}" if password else ""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_address[1]

    def close(self) -> None:
        """Stop listening and release the folder."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._engine.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: ClickHouseEngine
    credentials: str

    def do_GET(self) -> None:
        """Ping, and queries in the address."""
        self._serve()

    def do_POST(self) -> None:
        """Queries and rows."""
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = self._chunks()
        address = urlsplit(self.path)
        if address.path == "/ping":
            self._answer(200, b"Ok.\n")
            return
        if self.credentials and self.headers.get("Authorization") != self.credentials:
            self._answer(403, b"Code: 516. DB::Exception: Authentication failed.", code="516")
            return
        given = dict(parse_qsl(address.query, keep_blank_values=True))
        try:
            sql, data = self._statement(given, body)
            parameters = {
                key.removeprefix("param_"): value
                for key, value in given.items()
                if key.startswith("param_")
            }
            found = self.served.run(sql, data, given.get("database", ""), parameters)
        except RuntimeError as error:
            code = re.search(r"Code: (\d+)", str(error))
            self._answer(500, str(error).encode(), code=code.group(1) if code else "1000")
            return
        self._answer(200, found)

    def _statement(self, given: dict[str, str], body: bytes) -> tuple[str, bytes]:
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            form = _form(kind, body)
            if any(len(value.encode()) > MAX_FIELD for value in form.values()):
                raise RuntimeError("Code: 1000. DB::Exception: HTML Form Exception: Field too long")
            given.update(form)
            return given["query"], b""
        data = _unpacked(body, self.headers.get("Content-Encoding", ""))
        if "query" in given:
            return given["query"], data
        if found := _INSERT.match(data):
            return data[: found.end()].decode().strip(), data[found.end() :]
        return data.decode(), b""

    def _chunks(self) -> bytes:
        parts: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, body: bytes, *, code: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Timezone", "UTC")
        self.send_header("X-ClickHouse-Summary", json.dumps({"written_rows": "0"}))
        if code:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.end_headers()
        self.wfile.write(body)


def _form(kind: str, body: bytes) -> dict[str, str]:
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
    )
    found: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        found[str(name)] = payload.decode() if isinstance(payload, bytes) else str(payload)
    return found


def _unpacked(data: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(data)
    if encoding == "lz4":
        return bytes(import_module("lz4.frame").decompress(data))
    if encoding == "zstd":
        return bytes(import_module("backports.zstd").decompress(data))
    return data


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--password", default="")
    options = parser.parse_args()
    options.path.mkdir(parents=True, exist_ok=True)
    server = ClickHouseServer(options.path, port=options.port, password=options.password)
    sys.stdout.write(f"http://127.0.0.1:{server.port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.close()


if __name__ == "__main__":
    main()
