"""The checker finds what it is for: a history that no sequential register could have shown."""

from netra_core.testing.linearizability import Observed, violations


def seen(kind: str, version: int, value: object, started: float, ended: float) -> Observed:
    return Observed(kind=kind, version=version, value=value, started=started, ended=ended)


SOUND = [
    seen("read", 0, None, 0, 1),
    seen("write", 1, "a", 1, 4),
    seen("read", 1, "a", 2, 5),
    seen("write", 2, "b", 3, 6),
    seen("read", 2, "b", 7, 8),
]


def test_a_sound_history_has_no_violation() -> None:
    assert violations(SOUND) == []


def test_a_stale_read_is_found() -> None:
    assert violations([*SOUND, seen("read", 1, "a", 9, 10)]) != []


def test_a_lost_update_is_found() -> None:
    assert violations([*SOUND, seen("write", 2, "c", 3, 6)]) != []


def test_a_value_nobody_wrote_is_found() -> None:
    assert violations([*SOUND, seen("read", 2, "z", 9, 10)]) != []


def test_an_acknowledged_write_that_vanished_is_found() -> None:
    assert violations([*SOUND, seen("write", 4, "d", 9, 10)]) != []


def test_a_write_ordered_before_what_ended_earlier_is_found() -> None:
    swapped = [seen("write", 2, "b", 0, 1), seen("write", 1, "a", 2, 3)]
    assert violations(swapped) != []
