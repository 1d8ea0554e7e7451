"""What a client does about each close code of `/ws`."""

from enum import Enum


class Reaction(Enum):
    """What to do after the socket was closed."""

    RECONNECT = "reconnect and resume, after a pause"
    REFRESH = "get a fresh token, then reconnect and resume"
    SIGN_IN = "sign in again"
    GIVE_UP = "the same would happen again"
    WAIT = "wait a minute, then reconnect and resume"


_REACTIONS = {
    1009: Reaction.GIVE_UP,
    4400: Reaction.GIVE_UP,
    4401: Reaction.REFRESH,
    4419: Reaction.REFRESH,
    4423: Reaction.SIGN_IN,
    4429: Reaction.WAIT,
    4430: Reaction.WAIT,
}


def reaction_to(code: int | None) -> Reaction:
    """The reaction to a close code; None is a connection that broke."""
    return _REACTIONS.get(code or 1006, Reaction.RECONNECT)
