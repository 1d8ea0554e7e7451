"""What host a URL or address names, and whether others can reach it."""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

_LOCAL_NAMES: Final = ("localhost", "localhost.localdomain", "host.docker.internal")
_RESERVED: Final = (".localhost", ".invalid")
_STAGING: Final = re.compile(r"(^|[^a-z])(staging|stage|stg|preprod)([^a-z]|$)", re.IGNORECASE)


def host_of(address: str) -> str | None:
    """The host of a URL or of `host[:port]`; None for files and sockets, which have none."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "", address
    if scheme.startswith("sqlite") or rest.startswith("/"):
        return None
    if scheme in ("http", "https", "ws", "wss"):
        rest = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # a password may hold '@' and '/': the host begins after the last '@'
    location = re.split(r"[/?#]", rest.rpartition("@")[2], maxsplit=1)[0]
    host = unquote(location)
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    host = host.rpartition(":")[0] if re.search(r":\d*$", host) else host
    return None if not host or host.startswith("/") else host.lower()


def is_local(host: str) -> bool:
    """True when only this machine, or nobody, answers at this host."""
    if host in _LOCAL_NAMES or host.endswith(_RESERVED):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def says_staging(text: str) -> bool:
    """True when a host, address or client id calls itself a staging one."""
    return bool(_STAGING.search(text))


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, in lower case, default ports left out."""
    parts = urlsplit(url.strip())
    scheme = parts.scheme.lower()
    host = (parts.hostname or "").lower()
    shown = f"[{host}]" if ":" in host else host
    try:
        port = parts.port
    except ValueError:
        port = None
    default = {"http": 80, "https": 443, "ws": 80, "wss": 443}.get(scheme)
    return f"{scheme}://{shown}" if port in (None, default) else f"{scheme}://{shown}:{port}"
