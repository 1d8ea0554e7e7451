"""Browser sessions: the refresh token in a cookie that scripts cannot read and other sites not use.

A request that acts by cookie must come from a page of ours: its Origin is the public one, an
allowed one, or (in development) the loopback address it was sent to. Without an Origin header
the request must carry `X-Apex-Request: 1`, which other sites cannot send without being allowed.
"""

from urllib.parse import urlsplit

from fastapi import Request, Response

from netra_auth.errors import CrossSiteRequest
from netra_auth.options import AuthOptions

REFRESH_COOKIE = "apex_refresh"
DEVICE_COOKIE = "apex_device"
OAUTH_COOKIE = "apex_oauth"
OWN_HEADER = "x-apex-request"
_PATH = "/auth"
_OAUTH_PATH = "/auth/oauth"
_DEVICE_LIFE_S = 180 * 86_400
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def set_refresh_cookie(response: Response, options: AuthOptions, token: str) -> None:
    """Put the refresh token where only requests of the same site to /auth carry it."""
    response.set_cookie(
        REFRESH_COOKIE,
        token,
        max_age=options.refresh_idle_ttl_s,
        path=_PATH,
        secure=options.secure_cookies,
        httponly=True,
        samesite="strict",
    )


def clear_refresh_cookie(response: Response, options: AuthOptions) -> None:
    """Take the refresh token back."""
    response.delete_cookie(
        REFRESH_COOKIE, path=_PATH, secure=options.secure_cookies, httponly=True, samesite="strict"
    )


def set_device_cookie(response: Response, options: AuthOptions, value: str) -> None:
    """Remember that this browser signed in here before."""
    response.set_cookie(
        DEVICE_COOKIE,
        value,
        max_age=_DEVICE_LIFE_S,
        path=_PATH,
        secure=options.secure_cookies,
        httponly=True,
        samesite="strict",
    )


def set_oauth_cookie(response: Response, options: AuthOptions, value: str) -> None:
    """Bind a sign-in under way to this browser. Lax: the provider's redirect must bring it."""
    response.set_cookie(
        OAUTH_COOKIE,
        value,
        max_age=options.oauth_state_ttl_s,
        path=_OAUTH_PATH,
        secure=options.secure_cookies,
        httponly=True,
        samesite="lax",
    )


def clear_oauth_cookie(response: Response, options: AuthOptions) -> None:
    """The sign-in is over."""
    response.delete_cookie(
        OAUTH_COOKIE,
        path=_OAUTH_PATH,
        secure=options.secure_cookies,
        httponly=True,
        samesite="lax",
    )


def require_own_page(request: Request, options: AuthOptions) -> None:
    """Raise CrossSiteRequest unless the request comes from a page of ours."""
    origin = request.headers.get("origin")
    if origin is None:
        if request.headers.get(OWN_HEADER) == "1":
            return
        raise CrossSiteRequest(
            "A request with a cookie needs an Origin.", hint="Send X-Apex-Request: 1."
        )
    if origin in {origin_of(options.public_url), *options.cors_origins}:
        return
    if options.trust_loopback_origins and _is_own_loopback(origin, request.headers.get("host")):
        return
    raise CrossSiteRequest("This page may not use the session of this browser.")


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, as browsers write an Origin."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _is_own_loopback(origin: str, host: str | None) -> bool:
    parts = urlsplit(origin)
    own = host is not None and parts.scheme == "http" and parts.netloc == host
    return own and parts.hostname in _LOOPBACK
