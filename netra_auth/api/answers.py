"""How a new session is answered: in the body, or its refresh token in a cookie."""

from fastapi import Request, Response

from netra_auth.api.bodies import SignedInView, UserView, WorkspaceView
from netra_auth.api.cookies import DEVICE_COOKIE, set_device_cookie, set_refresh_cookie
from netra_auth.parts import AuthParts
from netra_auth.sessions import SignedIn


def answer_signed_in(
    response: Response, parts: AuthParts, signed_in: SignedIn, *, by_cookie: bool
) -> SignedInView:
    """The body of a sign-in or refresh; with `by_cookie` the refresh token leaves by cookie."""
    if by_cookie:
        set_refresh_cookie(response, parts.deps.options, signed_in.pair.refresh_token)
    return SignedInView(
        user=UserView.of(signed_in.person),
        workspace=WorkspaceView.of(signed_in.workspace),
        access_token=signed_in.pair.access_token,
        expires_in=seconds_left(parts, signed_in.pair.expires_at),
        refresh_token=None if by_cookie else signed_in.pair.refresh_token,
    )


def remember_device(response: Response, parts: AuthParts, email: str) -> None:
    """Give this browser the cookie that tells it apart from strangers."""
    set_device_cookie(response, parts.deps.options, parts.devices.remember(email))


def device_of(request: Request, parts: AuthParts, email: str) -> str | None:
    """The known device that sends this request, if it signed in to this account before."""
    return parts.devices.known(request.cookies.get(DEVICE_COOKIE), email)


def seconds_left(parts: AuthParts, expires_at: float) -> int:
    """Whole seconds until then, never negative."""
    return max(0, int(expires_at - parts.deps.clock()))
