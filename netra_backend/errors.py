"""What the platform refuses.

ApiError
├── NotFoundError             API-404  no such thing, or not yours
├── InvalidRequestError       API-422  a field that cannot be used
├── ForbiddenError            API-403  the role does not allow it
├── BodyTooSlowError          API-408  a body that did not come in time
├── UploadTooLargeError       API-413  a file over the limit
└── NotReadyError             API-503  the service is starting or stopping
AuthError
├── UnauthenticatedError      AUTH-401  no valid token
└── AuthUnavailableError      AUTH-503  who is revoked cannot be known now
RunError
├── RunLimitError             RUN-001  too many runs wait already
├── RunEndedError             RUN-002  a terminal run cannot move
├── ThreadBusyError           RUN-003  a run works and the message asked to be rejected then
├── RunFormatError            RUN-004  a run of another program's format
├── FencedError               RUN-005  another node has taken the run over
├── ReplayMismatchError       RUN-006  a re-executed step disagrees with the log
├── StepFailedError           RUN-008  a durable step failed
├── RunLostError              RUN-009  the run's record is gone or was given up
├── RunStillOpenError         RUN-010  a run that has not ended
├── ApprovalDecidedError      RUN-011  the request was decided before
├── IngestFullError           RUN-012  too much usage waits to be stored
├── ImportLostError           RUN-013  an import's file is gone with its machine
└── NodeNameTakenError        RUN-014  two living nodes have one name
AgentError
├── ToolFailedError           AGT-001  a tool raised
├── ToolTimeoutError          AGT-002  a tool ran out of time
├── AgentFailedError          AGT-003  an agent failed
├── LifecycleError            AGT-004  a move that the lifecycle does not have
├── AgentLimitError           AGT-005  too many agents of one user
└── OutcomeUnknownError       AGT-006  an effect that may or may not have happened
"""

from netra_core.errors import AgentError, ApiError, AuthError, RunError


class NotFoundError(ApiError):
    """No such thing, or it belongs to somebody else: the answer is the same."""

    code = "API-404"
    status = 404


class InvalidRequestError(ApiError):
    """A field of the request cannot be used."""

    code = "API-422"
    status = 422


class ForbiddenError(ApiError):
    """The person's role in this workspace does not allow it."""

    code = "API-403"
    status = 403


class BodyTooSlowError(ApiError):
    """The body did not come in time; what it held of the memory for bodies is free again."""

    code = "API-408"
    status = 408
    retryable = True


class UploadTooLargeError(ApiError):
    """The file is over the configured limit."""

    code = "API-413"
    status = 413


class NotReadyError(ApiError):
    """The service is starting or stopping."""

    code = "API-503"
    status = 503
    retryable = True


class UnauthenticatedError(AuthError):
    """No token, or one that is not valid here and now."""

    code = "AUTH-401"
    status = 401


class AuthUnavailableError(AuthError):
    """Keys or revocations are too old to trust; refused until the auth service answers."""

    code = "AUTH-503"
    status = 503
    retryable = True


class RunLimitError(RunError):
    """Too many runs wait already."""

    code = "RUN-001"
    status = 429
    retryable = True


class RunEndedError(RunError):
    """A terminal run never moves again."""

    code = "RUN-002"
    status = 409


class ThreadBusyError(RunError):
    """A run works in this thread and the message asked to be rejected then."""

    code = "RUN-003"
    status = 409
    retryable = True


class RunFormatError(RunError):
    """The run was begun in a format that this program does not execute."""

    code = "RUN-004"


class FencedError(RunError):
    """Another execution has taken the run over; this one stops."""

    code = "RUN-005"
    status = 409


class ReplayMismatchError(RunError):
    """A step executed again did something else than the log holds."""

    code = "RUN-006"


class StepFailedError(RunError):
    """A durable step failed; the message is the one of its first attempt."""

    code = "RUN-008"


class RunStillOpenError(RunError):
    """A run that has not ended cannot be gone back to."""

    code = "RUN-010"
    status = 409
    retryable = True


class ApprovalDecidedError(RunError):
    """The request was decided before."""

    code = "RUN-011"
    status = 409


class IngestFullError(RunError):
    """More usage waits to be stored than may."""

    code = "RUN-012"
    status = 429
    retryable = True


class ImportLostError(RunError):
    """The file of an import lay on a machine that is gone."""

    code = "RUN-013"


class NodeNameTakenError(RunError):
    """Another node that is alive has the name of this one."""

    code = "RUN-014"


class RunLostError(RunError):
    """The durable record of the run is gone, or it was recovered too often."""

    code = "RUN-009"


class ToolFailedError(AgentError):
    """A tool raised; `cause_code` is the code of what it raised, when it has one."""

    code = "AGT-001"

    def __init__(self, message: str, *, hint: str = "", cause_code: str = "") -> None:
        super().__init__(message, hint=hint)
        self.cause_code = cause_code or self.code


class ToolTimeoutError(ToolFailedError):
    """A tool ran out of the time its agent has."""

    code = "AGT-002"
    retryable = True


class OutcomeUnknownError(ToolFailedError):
    """A tool's effect may or may not have happened, and is not repeated."""

    code = "AGT-006"


class AgentFailedError(AgentError):
    """An agent failed; what it raised is the cause."""

    code = "AGT-003"


class LifecycleError(AgentError):
    """A move that the lifecycle does not have."""

    code = "AGT-004"


class AgentLimitError(AgentError):
    """Too many agents of one user."""

    code = "AGT-005"
    status = 429
    retryable = True
