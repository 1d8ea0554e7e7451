"""Why a socket was closed, by number; docs/protocol.md says what a client does about each."""

from enum import IntEnum


class CloseCode(IntEnum):
    """Close codes of `/ws`. The standard ones keep their meaning; ours are in 44xx."""

    NORMAL = 1000
    MESSAGE_TOO_BIG = 1009
    SERVER_FAULT = 1011
    RESTART = 1012
    PROTOCOL_VIOLATED = 4400
    NOT_AUTHENTICATED = 4401
    SLOW_READER = 4408
    HEARTBEAT_LOST = 4410
    TOKEN_EXPIRED = 4419
    SESSION_REVOKED = 4423
    TOO_MANY_MESSAGES = 4429
    TOO_MANY_CONNECTIONS = 4430
