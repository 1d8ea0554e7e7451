"""Addresses of databases, fit to be shown: no secret in any form of URL survives.

Only what is known to be harmless is shown: a host, a port, a database's name or file, parameters
from a list. Names of secrets cannot be listed, everybody invents their own.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote, unquote_plus

from sqlalchemy import URL

MASK: Final = "***"
SHOWN: Final = frozenset(
    {
        "application_name",
        "cache",
        "channel_binding",
        "connect_timeout",
        "dbname",
        "host",
        "hostaddr",
        "immutable",
        "keepalives",
        "mode",
        "port",
        "ssl",
        "sslmode",
        "sslrootcert",
        "target_session_attrs",
        "timeout",
        "uri",
        "vfs",
    }
)
"""Parameters whose values are shown, when they look like a value of theirs."""
_SCHEME: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]*):(//)")
_PLAIN_SCHEME: Final = re.compile(r"^[a-z][a-z0-9]*(\+[a-z0-9]+)*$")
_HOST: Final = r"([A-Za-z0-9._\-]*|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?"
_HOSTS: Final = re.compile(rf"{_HOST}(,{_HOST})*")
_NAME: Final = re.compile(r"[\w.\-%/]*")
_FILE: Final = re.compile(r"[^@;=|?#\n\r]*")
_VALUE: Final = re.compile(r"[\w./:,\-]*")


def mask_url(url: str | URL) -> str:
    """What may be shown of a database URL, whatever form it has, well-formed or not.

    User and password are always replaced: the password by ***, the user only where it cannot be
    told from one. Text whose parts cannot be told apart for certain is replaced whole.
    """
    if isinstance(url, URL):
        return _mask_parsed(url)
    text = url.strip()
    if not text:
        return ""
    if (match := _SCHEME.match(text)) is None or not _PLAIN_SCHEME.match(match[1].lower()):
        return _mask_pairs(text)
    scheme, rest = match[1], text[match.end() :]
    return f"{scheme}://{_mask_rest(rest, file=scheme.lower().startswith('sqlite'))}"


def _mask_parsed(url: URL) -> str:
    login = ""
    if url.username is not None or url.password is not None:
        login = f"{MASK}:{MASK}@" if url.password is not None else f"{MASK}@"
    host = url.host or ""
    if ":" in host:
        host = f"[{host}]"
    port = f":{url.port}" if url.port else ""
    file = url.drivername.startswith("sqlite")
    database = f"/{_path(url.database, file=file and not host)}" if url.database else ""
    pairs = [
        (name, value)
        for name, values in url.query.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return f"{url.drivername}://{login}{_hosts(host + port)}{database}{_query(pairs)}"


def _mask_rest(rest: str, *, file: bool) -> str:
    # Everything up to the last @ may hold a password, also one with : or / in it. One with ? or #
    # cannot be told from a parameter with an @.
    head, at, tail = rest.rpartition("@")
    if "?" in head or "#" in head:
        return MASK
    login = f"{MASK}:{MASK}@" if at and ":" in head else f"{MASK}@" if at else ""
    body, hash_mark, _fragment = tail.partition("#")
    body, _, query = body.partition("?")
    hosts, slash, path = body.partition("/")
    shown = f"{_hosts(hosts)}{slash}{_path(path, file=file and not hosts)}"
    parted = (pair.partition("=") for pair in re.split(r"[&;]", query))
    pairs = [(name, value) for name, _, value in parted if name]
    return login + shown + _query(pairs) + (f"#{MASK}" if hash_mark else "")


def _hosts(text: str) -> str:
    return text if _HOSTS.fullmatch(text) else MASK


def _path(text: str, *, file: bool) -> str:
    """A name or file; an encoded @ or : may end a login that was encoded as a whole."""
    plain = unquote(text)
    pattern = _FILE if file else _NAME
    fine = pattern.fullmatch(text) and "@" not in plain and (file or ":" not in plain)
    return text if fine else MASK


def _query(pairs: Iterable[tuple[str, str]]) -> str:
    """The harmless parameters; of the others not even the names are shown."""
    shown = [f"{name}={value}" if _harmless(name, value) else MASK for name, value in pairs]
    return f"?{'&'.join(shown)}" if shown else ""


def _harmless(name: str, value: str) -> bool:
    return name.lower() in SHOWN and _VALUE.fullmatch(unquote_plus(value)) is not None


def _mask_pairs(text: str) -> str:
    """Libpq's keyword form, read as libpq reads it; what it does not read is replaced whole."""
    from psycopg import ProgrammingError, conninfo  # slow to import, for a rare form

    try:
        pairs = conninfo.conninfo_to_dict(text)
    except ProgrammingError:
        return MASK
    shown = [
        f"{name}={value}"
        for name, value in sorted(pairs.items())
        if name in SHOWN and value is not None and re.fullmatch(r"[\w./\-]+", str(value))
    ]
    return " ".join([*shown, MASK])
