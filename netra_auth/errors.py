"""Errors of the auth service, one code a case.

Each message is safe to show to anyone: it names no account and no secret, and cases that an
attacker could tell people apart by share one class.
"""

from netra_core.errors import AuthError


class InvalidCredentials(AuthError):
    """E-mail and password do not belong together; says nothing about which exists."""

    code = "AUTH-001"
    status = 401


class NotSignedIn(AuthError):
    """No access token, or one that is forged, expired, revoked or meant for someone else."""

    code = "AUTH-002"
    status = 401


class SessionEnded(AuthError):
    """The refresh token does not open a live session."""

    code = "AUTH-003"
    status = 401


class NotPermitted(AuthError):
    """The role in this workspace does not allow it."""

    code = "AUTH-004"
    status = 403


class NotFound(AuthError):
    """Nothing under this id that the caller may know of."""

    code = "AUTH-005"
    status = 404


class WeakPassword(AuthError):
    """The password is too short, too long, or among the first an attacker tries."""

    code = "AUTH-006"
    status = 422


class AlreadyExists(AuthError):
    """What was to be made is there already."""

    code = "AUTH-007"
    status = 409


class LinkInvalid(AuthError):
    """A mailed link, invitation or setup token that is unknown, spent or expired."""

    code = "AUTH-008"
    status = 400


class TooManyAttempts(AuthError):
    """A rate limit; `retry_after_s` says when the next try is heard."""

    code = "AUTH-009"
    status = 429
    retryable = True

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("Too many attempts.", hint="Wait, then try again.")
        self.retry_after_s = retry_after_s


class CrossSiteRequest(AuthError):
    """A request with a cookie that did not come from a page of ours."""

    code = "AUTH-010"
    status = 403


class RegistrationClosed(AuthError):
    """This installation takes new people by invitation only."""

    code = "AUTH-011"
    status = 403


class InvalidRequest(AuthError):
    """The body, a parameter or a header is not what the interface describes."""

    code = "AUTH-012"
    status = 422


class SignInFailed(AuthError):
    """The login at the identity provider did not end in a proven identity."""

    code = "AUTH-013"
    status = 400


class ProviderUnavailable(AuthError):
    """The identity provider does not answer or answers nonsense."""

    code = "AUTH-014"
    status = 502
    retryable = True


class Busy(AuthError):
    """More passwords wait to be checked than this machine takes."""

    code = "AUTH-015"
    status = 503
    retryable = True


class NotReady(AuthError):
    """A part that the service needs does not work."""

    code = "AUTH-016"
    status = 503
    retryable = True


class BodyTooLarge(AuthError):
    """The request body is larger than any request of this service."""

    code = "AUTH-017"
    status = 413


class MailNotSent(AuthError):
    """The mail server took no message."""

    code = "AUTH-018"
    status = 503
    retryable = True


class SigningKeyUnusable(AuthError):
    """The signing keys cannot be read, or the configured secret is too weak."""

    code = "AUTH-019"
    status = 500


class AuthDatabaseUnusable(AuthError):
    """The auth database cannot be used as configured."""

    code = "AUTH-020"
    status = 500


class NotAllowedNow(AuthError):
    """The operation would leave a workspace without an owner, or a person without a way in."""

    code = "AUTH-021"
    status = 409


class AuditBroken(AuthError):
    """The audit log was changed or cut after it was written."""

    code = "AUTH-022"
    status = 500


class StepUpNeeded(AuthError):
    """The session is good, but for this the person must have signed in a moment ago."""

    code = "AUTH-023"
    status = 403
