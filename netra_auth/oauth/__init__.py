"""Sign-in with accounts elsewhere: OAuth 2.1 and OpenID Connect, as a client."""

from netra_auth.oauth.flow import Arrival, Departure, OAuthFlow
from netra_auth.oauth.identities import Linked

__all__ = ["Arrival", "Departure", "Linked", "OAuthFlow"]
