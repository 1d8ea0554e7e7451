"""One identity provider over HTTP: its metadata, its keys, the exchange of a code."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from netra_auth.deps import Clock
from netra_auth.errors import ProviderUnavailable, SignInFailed
from netra_auth.options import OidcProvider

_METADATA_LIFE_S = 3600
_KEYS_PAUSE_S = 30
_TIMEOUT_S = 10
_LEEWAY_S = 60
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
)


class Metadata(msgspec.Struct, frozen=True):
    """What of a provider's discovery document is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who signed in there, proven by an ID token."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    name: str | None


class ProviderClient:
    """Talks to one issuer. Nothing is fetched before the first sign-in; no redirect is followed."""

    def __init__(self, provider: OidcProvider, clock: Clock) -> None:
        self.provider = provider
        self._clock = clock
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, dict[str, Any]] | None = None
        self._tls_context: ssl.SSLContext | None = None

    async def metadata(self) -> Metadata:
        """The discovery document, kept for an hour. Its issuer must be exactly the configured."""
        now = self._clock()
        if self._metadata is not None and 0 <= now - self._metadata[0] < _METADATA_LIFE_S:
            return self._metadata[1]
        issuer = self.provider.issuer
        url = issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            found = msgspec.convert(await self._get_json(url), Metadata)
        except msgspec.ValidationError as error:
            raise ProviderUnavailable("The identity provider's document is not usable.") from error
        if found.issuer != issuer:
            raise ProviderUnavailable("The identity provider calls itself by another name.")
        for endpoint in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
            _require_safe(endpoint)
        self._metadata = (now, found)
        return found

    async def authorization_url(
        self, *, redirect_uri: str, state: str, nonce: str, verifier: str
    ) -> str:
        """Where to send the browser: authorization code with PKCE S256, state and nonce."""
        metadata = await self.metadata()
        async with self._client(metadata, redirect_uri) as client:
            url, _ = client.create_authorization_url(
                metadata.authorization_endpoint, state=state, nonce=nonce, code_verifier=verifier
            )
        return str(url)

    async def exchange(
        self, *, code: str, redirect_uri: str, verifier: str, nonce: str
    ) -> Identity:
        """Trade the code for an ID token and return whom it proves; SignInFailed if it does not."""
        metadata = await self.metadata()
        from authlib.common.errors import AuthlibBaseError

        try:
            async with self._client(metadata, redirect_uri) as client:
                token: dict[str, Any] = await client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=redirect_uri,
                    code_verifier=verifier,
                )
        except AuthlibBaseError as error:
            raise SignInFailed("The identity provider did not accept the sign-in.") from error
        except Exception as error:
            raise ProviderUnavailable("The identity provider does not answer.") from error
        return await self._identity(metadata, token, nonce)

    async def _identity(self, metadata: Metadata, token: dict[str, Any], nonce: str) -> Identity:
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import JoseError

        raw = token.get("id_token")
        if not isinstance(raw, str):
            raise SignInFailed("The identity provider sent no ID token.")
        try:
            decoded = await self._decode(metadata, raw)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {"iss": {"essential": True, "value": metadata.issuer}},
                {
                    "nonce": nonce,
                    "client_id": self.provider.client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(now=int(self._clock()), leeway=_LEEWAY_S)
        except (JoseError, ValueError) as error:
            raise SignInFailed("The identity provider's ID token is not valid.") from error
        audience = claims["aud"]
        if self.provider.client_id not in ([audience] if isinstance(audience, str) else audience):
            raise SignInFailed("The ID token is meant for another client.")
        return Identity(
            issuer=metadata.issuer,
            subject=str(claims["sub"]),
            email=_text(claims.get("email")),
            email_verified=claims.get("email_verified") is True,
            name=_text(claims.get("name")),
        )

    async def _decode(self, metadata: Metadata, raw: str) -> Any:
        """The token, its signature checked; keys are fetched again where its key is unknown.

        Any: the library's token type.
        """
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError
        from joserfc.jwk import KeySet
        from joserfc.jws import JWSRegistry

        offered = metadata.id_token_signing_alg_values_supported
        allowed = [name for name in _ALGORITHMS if name in offered]
        registry = JWSRegistry(algorithms=allowed, strict_check_header=False)
        if not allowed:
            raise SignInFailed("The identity provider signs by no algorithm that is accepted.")
        keys = await self._key_set(metadata, fresh=False)
        try:
            return jwt.decode(raw, KeySet.import_key_set(keys), registry=registry)
        except InvalidKeyIdError:
            keys = await self._key_set(metadata, fresh=True)
            return jwt.decode(raw, KeySet.import_key_set(keys), registry=registry)

    async def _key_set(self, metadata: Metadata, *, fresh: bool) -> Any:
        now = self._clock()
        if self._keys is not None:
            age = now - self._keys[0]
            if 0 <= age < (_KEYS_PAUSE_S if fresh else _METADATA_LIFE_S):
                return self._keys[1]
        found = await self._get_json(metadata.jwks_uri)
        self._keys = (now, found)
        return found

    async def _get_json(self, url: str) -> dict[str, Any]:
        import httpx2

        _require_safe(url)
        try:
            async with httpx2.AsyncClient(
                timeout=_TIMEOUT_S, follow_redirects=False, verify=self._tls()
            ) as client:
                answer = await client.get(url, headers={"Accept": "application/json"})
                answer.raise_for_status()
                found = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderUnavailable("The identity provider does not answer.") from error
        if not isinstance(found, dict):
            raise ProviderUnavailable("The identity provider's document is not usable.")
        return found

    def _tls(self) -> ssl.SSLContext:
        """Verifying, and made once: reading the certificates takes a while."""
        if self._tls_context is None:
            import httpx2

            self._tls_context = httpx2.create_ssl_context()
        return self._tls_context

    @asynccontextmanager
    async def _client(self, metadata: Metadata, redirect_uri: str) -> AsyncGenerator[Any]:
        """The library's client, which carries no types."""
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        methods = metadata.token_endpoint_auth_methods_supported
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        client: Any = AsyncOAuth2Client(
            self.provider.client_id,
            self.provider.client_secret,
            scope=self.provider.scope,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method=method,
            timeout=_TIMEOUT_S,
            follow_redirects=False,
            verify=self._tls(),
        )
        try:
            yield client
        finally:
            await client.aclose()


def _require_safe(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    raise ProviderUnavailable("The identity provider is not reached over https.")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
