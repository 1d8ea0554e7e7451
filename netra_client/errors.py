"""Errors of the client.

ClientError
├── ApiError           the server answered with an error; carries its code and status
├── SignedOutError     no valid session: sign in again
├── UnreachableError   the server cannot be reached, or stays away
└── ProtocolError      the server said something this client does not understand
"""


class ClientError(Exception):
    """Root of the client's errors: one clear sentence, and whether trying again may help."""

    retryable = False


class ApiError(ClientError):
    """The server answered with an error."""

    def __init__(
        self, message: str, *, status: int, code: str = "", hint: str = "", retryable: bool = False
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.hint = hint
        self.retryable = retryable

    def __str__(self) -> str:
        hint = f" {self.hint}" if self.hint else ""
        code = f" [{self.code}]" if self.code else ""
        return f"{self.message}{hint}{code}"


class SignedOutError(ClientError):
    """No valid session: sign in again."""


class UnreachableError(ClientError):
    """The server cannot be reached, or stays away."""

    retryable = True


class ProtocolError(ClientError):
    """The server said something this client does not understand."""
