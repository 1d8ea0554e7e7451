"""Every setting of Apex, by subject: the only list there is."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from netra_core.configuration.schema.annotations import (
    ALL_SCOPES,
    DEPLOYMENT_SCOPES,
    Scope,
    Section,
    Service,
    critical_when_deployed,
    live,
    never,
    required_when_deployed,
    restart,
    whole,
)
from netra_core.environment import Environment
from netra_core.errors import ConfigurationError


def _environment(name: object) -> object:
    if not isinstance(name, str):
        return name
    try:
        return Environment.parse(name)
    except ConfigurationError as error:
        raise ValueError(f"{error.message} {error.hint}") from None


def _upper(text: object) -> object:
    return text.upper() if isinstance(text, str) else text


EnvironmentName = Annotated[Environment, BeforeValidator(_environment)]
Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]
Folder = Annotated[Path, AfterValidator(Path.expanduser)]
BACKEND = (Service.BACKEND,)
AUTH = (Service.AUTH,)
SERVERS = (Service.BACKEND, Service.AUTH)

HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+[^\s]*$")]
SocketUrl = Annotated[str, Field(pattern=r"^wss?://[^\s/?#]+[^\s]*$")]
Origin = Annotated[str, Field(pattern=r"^(https?://[^\s/?#]+|\*)$")]
HostName = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\s]+$")]


class Deployment(Section):
    """Where this runs and what that permits."""

    environment: Annotated[EnvironmentName, never("ENVIRONMENT")] = Field(
        default=Environment.DEVELOPMENT, description="Where this runs."
    )
    embedded: Annotated[bool, restart("APEX_EMBEDDED", stored=False)] = Field(
        default=False,
        description="Permit SQLite and chDB in staging and production, on one node.",
    )
    debug: Annotated[bool, restart("DEBUG")] = Field(
        default=False, description="For tools beside Apex that ask for it; refused in production."
    )
    config_file: Annotated[Folder | None, restart("APEX_CONFIG_FILE", stored=False)] = Field(
        default=None,
        description="The TOML file of settings; `apex.toml` in the home folder when absent.",
    )
    env_file: Annotated[Folder | None, never("APEX_ENV_FILE")] = Field(
        default=None,
        description="A file of variables read at the start, where what is set already wins; "
        "`apex.env` in the home folder when absent.",
    )
    config_url: Annotated[
        SecretStr | None, restart("APEX_CONFIG_URL", secret=True, stored=False)
    ] = Field(
        default=None,
        description="The configuration store; when absent the platform's PostgreSQL, or "
        "`config.sqlite` in the home folder.",
    )
    operators: Annotated[tuple[str, ...], live("APEX_OPERATORS", BACKEND, stored=False)] = Field(
        default=(),
        description="Ids of the users who administer the whole installation. When none is named, "
        "in development and test every owner or admin of a workspace does.",
    )
    config_poll_s: Annotated[float, restart("APEX_CONFIG_POLL_S")] = Field(
        default=1.0,
        ge=0.05,
        le=3600,
        description="How often other nodes' changes are looked for, seconds.",
    )


class Http(Section):
    """Where the services answer."""

    host: Annotated[HostName, restart("APEX_HTTP_HOST")] = Field(
        default="127.0.0.1", description="Address to listen on."
    )
    port: Annotated[int, restart("APEX_HTTP_PORT"), whole(ge=0, le=65535)] = Field(
        default=8000, description="Port to listen on; 0 lets the system choose."
    )
    public_url: Annotated[HttpUrl, restart("APEX_PUBLIC_URL", absence=critical_when_deployed())] = (
        Field(
            default="http://localhost:8000", description="Where people reach Apex, as they type it."
        )
    )
    cors_origins: Annotated[tuple[Origin, ...], restart("APEX_CORS_ORIGINS")] = Field(
        default=(), description="Other origins whose pages may call the API."
    )
    backend_urls: Annotated[
        tuple[HttpUrl, ...], restart("APEX_BACKEND_URLS", (Service.FRONTEND,))
    ] = Field(
        default=(),
        description="Backend nodes that a web process on its own passes requests to.",
    )
    trusted_proxies: Annotated[tuple[HostName, ...], restart("APEX_TRUSTED_PROXIES")] = Field(
        default=(), description="Proxies whose X-Forwarded headers are believed."
    )


class Paths(Section):
    """Where files are kept."""

    home: Annotated[Folder, never("APEX_HOME")] = Field(
        default=Path("~/.local/share/netra-apex"),
        validate_default=True,
        description="The one folder with all data.",
    )


class Database(Section):
    """The databases of the platform and of auth."""

    platform_url: Annotated[SecretStr | None, restart("DATABASE_URL", SERVERS, secret=True)] = (
        Field(
            default=None,
            description="The platform's database; from the POSTGRES_ parts or SQLite when absent.",
        )
    )
    auth_url: Annotated[SecretStr | None, restart("AUTH_DATABASE_URL", AUTH, secret=True)] = Field(
        default=None, description="Auth's database; beside the platform's when absent."
    )
    dbos_url: Annotated[SecretStr | None, restart("DBOS_DATABASE_URL", BACKEND, secret=True)] = (
        Field(
            default=None,
            description="The database of durable runs; beside the platform's when absent.",
        )
    )
    postgres_host: Annotated[HostName | None, restart("POSTGRES_HOST", SERVERS)] = Field(
        default=None,
        description="Host of PostgreSQL, or a /cloudsql/project:region:instance socket.",
    )
    postgres_port: Annotated[int, restart("POSTGRES_PORT", SERVERS), whole(ge=1, le=65535)] = Field(
        default=5432, description="Port of PostgreSQL."
    )
    postgres_user: Annotated[str | None, restart("POSTGRES_USER", SERVERS)] = Field(
        default=None, max_length=255, description="Role of PostgreSQL."
    )
    postgres_password: Annotated[
        SecretStr | None, restart("POSTGRES_PASSWORD", SERVERS, secret=True)
    ] = Field(default=None, description="Password of that role.")
    postgres_db: Annotated[str | None, restart("POSTGRES_DB", SERVERS)] = Field(
        default=None, max_length=255, description="Name of the database."
    )
    pool_size: Annotated[int, live("APEX_DATABASE_POOL_SIZE", SERVERS), whole(ge=1, le=500)] = (
        Field(default=10, description="Connections kept open, each database.")
    )
    pool_max_overflow: Annotated[
        int, live("APEX_DATABASE_POOL_MAX_OVERFLOW", SERVERS), whole(ge=0, le=500)
    ] = Field(default=10, description="Connections opened beyond that under load.")
    pool_timeout_s: Annotated[float, live("APEX_DATABASE_POOL_TIMEOUT_S", SERVERS)] = Field(
        default=10.0, gt=0, le=300, description="Longest wait for a connection, seconds."
    )
    statement_timeout_s: Annotated[float, live("APEX_DATABASE_STATEMENT_TIMEOUT_S", SERVERS)] = (
        Field(default=30.0, gt=0, le=3600, description="Longest statement, seconds.")
    )
    redis_url: Annotated[SecretStr | None, restart("REDIS_URL", SERVERS, secret=True)] = Field(
        default=None, description="Redis for fan-out between nodes; PostgreSQL does it when absent."
    )


class Auth(Section):
    """People, sessions, tokens."""

    url: Annotated[HttpUrl | None, restart("APEX_AUTH_URL", BACKEND)] = Field(
        default=None, description="Where the backend reaches auth; in the same process when absent."
    )
    issuer: Annotated[str, restart("JWT_ISSUER", SERVERS)] = Field(
        default="netra-apex-auth",
        min_length=1,
        max_length=255,
        description="`iss` of access tokens.",
    )
    audience: Annotated[str, restart("JWT_AUDIENCE", SERVERS)] = Field(
        default="netra-apex", min_length=1, max_length=255, description="`aud` of access tokens."
    )
    algorithm: Annotated[Literal["Ed25519", "HS256"], restart("JWT_ALGORITHM", SERVERS)] = Field(
        default="Ed25519", description="How access tokens are signed."
    )
    access_ttl_s: Annotated[int, restart("APEX_AUTH_ACCESS_TTL_S", SERVERS)] = Field(
        default=600, ge=30, le=86400, description="Life of an access token, seconds."
    )
    refresh_idle_ttl_s: Annotated[int, live("APEX_AUTH_REFRESH_IDLE_TTL_S", AUTH)] = Field(
        default=14 * 86400,
        ge=60,
        le=365 * 86400,
        description="A session unused so long ends, seconds.",
    )
    refresh_absolute_ttl_s: Annotated[int, live("APEX_AUTH_REFRESH_ABSOLUTE_TTL_S", AUTH)] = Field(
        default=90 * 86400, ge=60, le=3650 * 86400, description="Every session ends then, seconds."
    )
    refresh_grace_s: Annotated[float, live("APEX_AUTH_REFRESH_GRACE_S", AUTH)] = Field(
        default=10.0,
        ge=0,
        le=300,
        description="A refresh token used twice within this time is a retry, not a theft, seconds.",
    )
    key_rotation_s: Annotated[int, restart("APEX_AUTH_KEY_ROTATION_S", AUTH)] = Field(
        default=30 * 86400, ge=3600, le=3650 * 86400, description="Life of a signing key, seconds."
    )
    jwt_secret_key: Annotated[SecretStr | None, restart("JWT_SECRET_KEY", SERVERS, secret=True)] = (
        Field(
            default=None,
            description="Key that signs access tokens under HS256; at least 32 characters.",
        )
    )
    service_secret: Annotated[
        SecretStr | None,
        restart("SERVICE_SECRET", SERVERS, secret=True, absence=critical_when_deployed()),
    ] = Field(
        default=None, description="Proof by which services know each other; at least 32 characters."
    )
    fernet_key: Annotated[
        SecretStr | None,
        restart("FERNET_KEY", SERVERS, secret=True, absence=critical_when_deployed(), stored=False),
    ] = Field(
        default=None,
        description="Key that encrypts stored secrets; at least 32 characters. Older keys may "
        "follow after commas.",
    )
    google_oauth_client_id: Annotated[str | None, restart("GOOGLE_OAUTH_CLIENT_ID_{ENV}", AUTH)] = (
        Field(
            default=None,
            max_length=255,
            description="Google OAuth client of this environment alone.",
        )
    )
    google_oauth_client_secret: Annotated[
        SecretStr | None, restart("GOOGLE_OAUTH_CLIENT_SECRET_{ENV}", AUTH, secret=True)
    ] = Field(default=None, description="Its secret.")
    google_oauth_redirect_url: Annotated[
        HttpUrl | None, restart("GOOGLE_OAUTH_REDIRECT_URL", AUTH)
    ] = Field(
        default=None,
        description="Where Google sends people back; under the public URL when absent.",
    )
    oidc_providers: Annotated[
        SecretStr | None, restart("APEX_AUTH_OIDC_PROVIDERS", AUTH, secret=True, multiline=True)
    ] = Field(
        default=None,
        description="Further OpenID providers, a JSON list of {name, label, issuer, client_id, "
        "client_secret}.",
    )
    registration: Annotated[
        Literal["open", "verified", "invite", "closed"] | None,
        live("APEX_AUTH_REGISTRATION", AUTH),
    ] = Field(
        default=None,
        description="Who may register. When absent: anybody in development and test, elsewhere "
        "verified addresses where mail can be sent, else the invited.",
    )
    smtp_url: Annotated[SecretStr | None, restart("APEX_AUTH_SMTP_URL", AUTH, secret=True)] = Field(
        default=None, description="Mail server, smtp://user:password@host:587."
    )
    mail_from: Annotated[str | None, restart("APEX_AUTH_MAIL_FROM", AUTH)] = Field(
        default=None, max_length=320, description="Sender of mails."
    )
    simulated_login: Annotated[bool, restart("APEX_AUTH_SIMULATED_LOGIN", AUTH)] = Field(
        default=False,
        description="For test doubles of auth; Apex itself has none. Refused in production.",
    )


class WebSocket(Section):
    """Live connections."""

    url: Annotated[SocketUrl | None, restart("APEX_WEBSOCKET_URL")] = Field(
        default=None, description="Where browsers connect; /ws under the public URL when absent."
    )
    allowed_origins: Annotated[
        tuple[Origin, ...], live("APEX_WEBSOCKET_ALLOWED_ORIGINS", BACKEND)
    ] = Field(default=(), description="Origins besides the public URL whose pages may connect.")
    max_connections_per_user: Annotated[
        int, live("APEX_WEBSOCKET_MAX_CONNECTIONS_PER_USER", BACKEND)
    ] = Field(default=10, ge=1, le=10_000, description="Connections a user may hold.")
    messages_per_minute: Annotated[int, live("APEX_WEBSOCKET_MESSAGES_PER_MINUTE", BACKEND)] = (
        Field(
            default=120, ge=1, le=100_000, description="Messages a connection may send in a minute."
        )
    )
    max_message_bytes: Annotated[
        int, restart("APEX_WEBSOCKET_MAX_MESSAGE_BYTES", (Service.BACKEND, Service.FRONTEND))
    ] = Field(default=1_048_576, ge=1024, le=64 * 1_048_576, description="Longest message, bytes.")
    outbox_events: Annotated[int, live("APEX_WEBSOCKET_OUTBOX_EVENTS", BACKEND)] = Field(
        default=256,
        ge=1,
        le=100_000,
        description="Events that wait for a slow reader before it is closed.",
    )
    heartbeat_s: Annotated[
        float, restart("APEX_WEBSOCKET_HEARTBEAT_S", (Service.BACKEND, Service.FRONTEND))
    ] = Field(default=20.0, gt=0, le=3600, description="Time between heartbeats, seconds.")


class Usage(Section):
    """Records of LLM calls."""

    clickhouse_url: Annotated[
        SecretStr | None,
        restart("CLICKHOUSE_URL", BACKEND, secret=True, absence=required_when_deployed()),
    ] = Field(default=None, description="A ClickHouse server; chDB in the process when absent.")
    max_upload_bytes: Annotated[
        int, live("APEX_USAGE_MAX_UPLOAD_BYTES", BACKEND, scopes=ALL_SCOPES)
    ] = Field(
        default=512 * 1_048_576,
        ge=1024,
        le=1 << 40,
        description="Largest file that may be uploaded, bytes.",
    )
    keep_days: Annotated[
        int | None,
        live(
            "APEX_USAGE_KEEP_DAYS",
            BACKEND,
            scopes=DEPLOYMENT_SCOPES | {Scope.WORKSPACE},
            self_service=True,
        ),
        whole(ge=1, le=36_500),
    ] = Field(
        default=None,
        description="Days that calls are kept; older ones are removed for good within an hour of "
        "each midnight UTC. When absent they are kept for ever.",
    )


class Runs(Section):
    """Durable runs."""

    max_per_user: Annotated[int, live("APEX_RUNS_MAX_PER_USER", BACKEND)] = Field(
        default=3, ge=1, le=1000, description="Runs of one user at once."
    )
    max_total: Annotated[int, live("APEX_RUNS_MAX_TOTAL", BACKEND)] = Field(
        default=50, ge=1, le=100_000, description="Runs of all users at once."
    )
    timeout_s: Annotated[float, live("APEX_RUNS_TIMEOUT_S", BACKEND, scopes=ALL_SCOPES)] = Field(
        default=900.0, gt=0, le=86400, description="Longest run, seconds."
    )


class Llm(Section):
    """The optional language model behind the agents."""

    model: Annotated[
        str | None, live("APEX_LLM_MODEL", BACKEND, scopes=ALL_SCOPES, self_service=True)
    ] = Field(
        default=None,
        max_length=255,
        description="Model that reads questions, such as openai:gpt-5-mini; none is needed.",
    )
    base_url: Annotated[HttpUrl | None, live("APEX_LLM_BASE_URL", BACKEND)] = Field(
        default=None,
        description="Where the model is reached, such as a gateway; its provider when absent.",
    )
    budget_usd: Annotated[float, live("APEX_LLM_BUDGET_USD", BACKEND, scopes=ALL_SCOPES)] = Field(
        default=1.0,
        ge=0,
        le=1_000_000,
        description="Most that one run may spend on the model, USD.",
    )
    timeout_s: Annotated[
        float, live("APEX_LLM_TIMEOUT_S", BACKEND, scopes=ALL_SCOPES, self_service=True)
    ] = Field(default=60.0, gt=0, le=3600, description="Longest wait for an answer, seconds.")
    openai_api_key: Annotated[
        SecretStr | None,
        live("OPENAI_API_KEY", BACKEND, secret=True, scopes=ALL_SCOPES, self_service=True),
    ] = Field(default=None, description="Key for OpenAI.")
    anthropic_api_key: Annotated[
        SecretStr | None,
        live("ANTHROPIC_API_KEY", BACKEND, secret=True, scopes=ALL_SCOPES, self_service=True),
    ] = Field(default=None, description="Key for Anthropic.")
    gemini_api_key: Annotated[
        SecretStr | None,
        live("GEMINI_API_KEY", BACKEND, secret=True, scopes=ALL_SCOPES, self_service=True),
    ] = Field(default=None, description="Key for Google Gemini.")


class Telemetry(Section):
    """Logs and metrics."""

    log_level: Annotated[Level, live("LOG_LEVEL")] = Field(
        default="INFO", description="Least severe log line that is written."
    )
    log_format: Annotated[Literal["console", "json"], restart("LOG_FORMAT")] = Field(
        default="console", description="For people, or one JSON object a line."
    )
    metrics: Annotated[bool, restart("APEX_TELEMETRY_METRICS")] = Field(
        default=True, description="Serve /metrics."
    )


class Settings(Section):
    """All settings, typed and immutable: one whole revision."""

    deployment: Deployment = Deployment()
    http: Http = Http()
    paths: Paths = Paths()
    database: Database = Database()
    auth: Auth = Auth()
    websocket: WebSocket = WebSocket()
    usage: Usage = Usage()
    runs: Runs = Runs()
    llm: Llm = Llm()
    telemetry: Telemetry = Telemetry()

    @property
    def environment(self) -> Environment:
        """Where this runs."""
        return self.deployment.environment
