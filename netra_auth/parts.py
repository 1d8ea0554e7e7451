"""The auth service, assembled from what it was handed."""

from dataclasses import dataclass

from netra_auth.accounts import AccountParts, Accounts
from netra_auth.api_keys import ApiKeys
from netra_auth.audit import AuditLog
from netra_auth.changes import ChangeFeed
from netra_auth.deps import AuthDeps
from netra_auth.device import Devices
from netra_auth.housekeeping import Housekeeping
from netra_auth.invitations import Invitations
from netra_auth.letters import Letters
from netra_auth.local_key import local_key
from netra_auth.mail import make_mailer
from netra_auth.mail_queue import MailQueue
from netra_auth.mail_tokens import MailTokens
from netra_auth.memberships import Memberships
from netra_auth.oauth import OAuthFlow
from netra_auth.passwords import Passwords
from netra_auth.people import People
from netra_auth.service_credentials import ServiceCredentials
from netra_auth.sessions import Sessions
from netra_auth.setup import Setup
from netra_auth.signing_keys import SigningKeys
from netra_auth.throttle import LoginGuard, RateLimiter
from netra_auth.tokens import AccessTokens
from netra_auth.workspaces import Workspaces

_CHANGES_KEPT_FACTOR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthParts:
    """Every part of the running service."""

    deps: AuthDeps
    keys: SigningKeys
    tokens: AccessTokens
    accounts: Accounts
    setup: Setup
    oauth: OAuthFlow
    housekeeping: Housekeeping
    sessions: Sessions
    workspaces: Workspaces
    api_keys: ApiKeys
    services: ServiceCredentials
    changes: ChangeFeed
    audit: AuditLog
    devices: Devices
    limiter: RateLimiter
    people: People
    passwords: Passwords
    mail_tokens: MailTokens
    mail: MailQueue
    letters: Letters


def build_parts(deps: AuthDeps) -> AuthParts:
    """Build the parts; opens no connection and starts no task."""
    options, clock, random_bytes = deps.options, deps.clock, deps.random_bytes
    keys = SigningKeys(deps.folders.keys, options, clock)
    tokens = AccessTokens(options, keys, clock)
    people, memberships = People(clock), Memberships(clock)
    keep_s = max(3600.0, _CHANGES_KEPT_FACTOR * options.access_ttl_s)
    changes = ChangeFeed(deps.database, clock, keep_s=keep_s)
    audit = AuditLog(clock, random_bytes, local_key(deps.folders.keys, "audit.key", random_bytes))
    sessions = Sessions(
        deps, tokens=tokens, people=people, memberships=memberships, changes=changes, audit=audit
    )
    invitations = Invitations(deps, memberships, changes)
    mailer = make_mailer(options, deps.folders, clock=clock, random_bytes=random_bytes)
    mail, letters = MailQueue(mailer), Letters(options.public_url)
    passwords = Passwords(options.password_cost)
    mail_tokens = MailTokens(clock, random_bytes)
    accounts = Accounts(
        deps,
        AccountParts(
            people=people,
            memberships=memberships,
            invitations=invitations,
            sessions=sessions,
            passwords=passwords,
            mail_tokens=mail_tokens,
            mail=mail,
            letters=letters,
            guard=LoginGuard(deps.database, clock),
            changes=changes,
            audit=audit,
        ),
    )
    workspaces = Workspaces(
        deps,
        memberships=memberships,
        invitations=invitations,
        sessions=sessions,
        changes=changes,
        audit=audit,
        mail=mail,
        letters=letters,
    )
    device_key = local_key(deps.folders.keys, "device.key", random_bytes)
    return AuthParts(
        deps=deps,
        keys=keys,
        tokens=tokens,
        accounts=accounts,
        setup=Setup(
            deps,
            accounts=accounts,
            passwords=passwords,
            mail_tokens=mail_tokens,
            letters=letters,
            audit=audit,
        ),
        oauth=OAuthFlow(deps, accounts=accounts, people=people, audit=audit),
        housekeeping=Housekeeping(deps),
        sessions=sessions,
        workspaces=workspaces,
        api_keys=ApiKeys(deps, memberships, changes, audit),
        services=ServiceCredentials(deps, audit),
        changes=changes,
        audit=audit,
        devices=Devices(device_key, random_bytes),
        limiter=RateLimiter(clock),
        people=people,
        passwords=passwords,
        mail_tokens=mail_tokens,
        mail=mail,
        letters=letters,
    )
