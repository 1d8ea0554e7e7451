"""Addresses of databases, fit to be shown: no secret in any form of URL survives."""

import re
from typing import Final
from urllib.parse import unquote_plus

from sqlalchemy import URL

MASK: Final = "***"
SECRET_NAME: Final = re.compile(r"pass|pwd|secret|token|key|cred|auth|sslcert|sig", re.IGNORECASE)
_SCHEME: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]*):(/{0,3})")
_PLAIN_SCHEME: Final = re.compile(r"^[a-z][a-z0-9]*(\+[a-z0-9]+)*$")


def mask_url(url: str | URL) -> str:
    """What may be shown of a database URL, whatever form it has, well-formed or not.

    Shown: scheme, host, port, database and parameters without secret-looking names. User and
    password are always replaced: the password by ***, the user only where it cannot be told from
    one. Text whose parts cannot be told apart for certain is replaced whole.
    """
    if isinstance(url, URL):
        return _mask_parsed(url)
    text = url.strip()
    if not text:
        return ""
    if (match := _SCHEME.match(text)) is None or not _PLAIN_SCHEME.match(match[1].lower()):
        return _mask_pairs(text)
    scheme, rest = match[1], text[match.end() :]
    return f"{scheme}:{match[2]}{_mask_rest(scheme, rest)}"


def _mask_parsed(url: URL) -> str:
    login = ""
    if url.username is not None or url.password is not None:
        login = f"{MASK}:{MASK}@" if url.password is not None else f"{MASK}@"
    host = url.host or ""
    if ":" in host:
        host = f"[{host}]"
    port = f":{url.port}" if url.port else ""
    database = f"/{url.database}" if url.database else ""
    pairs = [
        f"{name}={_value(name, value)}"
        for name, values in url.query.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    query = f"?{'&'.join(pairs)}" if pairs else ""
    return f"{url.drivername}://{login}{host}{port}{database}{query}"


def _mask_rest(scheme: str, rest: str) -> str:
    # Everything up to the last @ may hold a password, also one with @ : / ? # in it.
    head, at, tail = rest.rpartition("@")
    shown = f"{MASK}:{MASK}@" if at and ":" in head else f"{MASK}@" if at else ""
    body, question, query = tail.partition("?")
    body, hash_mark, _fragment = body.partition("#")
    if not at and not scheme.lower().startswith("sqlite") and _looks_like_login(body):
        body = MASK
    result = shown + body
    if question:
        result += "?" + _mask_query(query)
    if hash_mark:
        result += f"#{MASK}"
    return result


def _looks_like_login(body: str) -> bool:
    """host:port is fine; anything else after a colon may be a password without its @."""
    authority = body.partition("/")[0]
    if authority.startswith("["):
        return not re.fullmatch(r"\[[0-9A-Fa-f:.]+\](:\d{1,5})?", authority)
    return ":" in authority and not re.fullmatch(
        r"[A-Za-z0-9.\-]*(:\d{1,5})?(,[A-Za-z0-9.\-]*(:\d{1,5})?)*", authority
    )


def _mask_query(query: str) -> str:
    query = query.partition("#")[0]
    return "&".join(_mask_pair(pair, "&") for pair in re.split(r"[&;]", query))


def _mask_pair(pair: str, _separator: str) -> str:
    name, equals, value = pair.partition("=")
    return f"{name}={_value(name, value)}" if equals else MASK if name else ""


def _value(name: str, value: str) -> str:
    if SECRET_NAME.search(unquote_plus(name)) or name.lower() in {"user", "username"}:
        return MASK
    if "://" in value or "@" in value or SECRET_NAME.search(unquote_plus(value)):
        return MASK
    return value


_KEYWORDS: Final = frozenset(
    {"host", "hostaddr", "port", "dbname", "sslmode", "connect_timeout", "application_name"}
)


def _mask_pairs(text: str) -> str:
    """Libpq's keyword form: the values of known harmless keywords are shown, nothing else."""
    shown = [
        f"{match[1]}={match[2]}"
        for match in re.finditer(r"(?:^|\s)([a-z_]+)\s*=\s*([A-Za-z0-9_./\-]+)(?=\s|$)", text)
        if match[1] in _KEYWORDS
    ]
    return " ".join([*shown, MASK])
