"""The rule of refresh tokens, by itself."""

from hypothesis import given
from hypothesis import strategies as st

from netra_auth.rotation import Chain, Presented, Verdict, judge

NOW = 1_000.0
GRACE = 10.0


def chain(
    generation: int = 5, *, idle: float = 2_000, absolute: float = 3_000, ended: bool = False
):
    return Chain(generation, idle, absolute, ended)


def test_the_current_token_rotates() -> None:
    assert judge(chain(), Presented(5, None), now=NOW, grace_s=GRACE) is Verdict.ROTATE


def test_the_immediate_predecessor_repeats_its_answer_within_the_grace() -> None:
    assert judge(chain(), Presented(4, NOW - 10), now=NOW, grace_s=GRACE) is Verdict.REPEAT


def test_the_immediate_predecessor_is_reuse_after_the_grace() -> None:
    assert judge(chain(), Presented(4, NOW - 10.1), now=NOW, grace_s=GRACE) is Verdict.REUSED


def test_an_older_token_is_reuse_even_within_the_grace() -> None:
    assert judge(chain(), Presented(3, NOW - 1), now=NOW, grace_s=GRACE) is Verdict.REUSED


def test_a_clock_that_stepped_far_back_does_not_reopen_a_grace() -> None:
    assert judge(chain(), Presented(4, NOW + 60), now=NOW, grace_s=GRACE) is Verdict.REUSED


def test_reuse_is_reported_also_when_the_session_has_expired() -> None:
    verdict = judge(chain(idle=NOW - 1), Presented(2, NOW - 500), now=NOW, grace_s=GRACE)
    assert verdict is Verdict.REUSED


def test_a_session_expires_at_the_earlier_of_its_two_ends() -> None:
    for dead in (chain(idle=NOW), chain(absolute=NOW)):
        assert judge(dead, Presented(5, None), now=NOW, grace_s=GRACE) is Verdict.EXPIRED


@given(
    generation=st.integers(1, 50),
    presented=st.integers(0, 60),
    spent_at=st.none() | st.floats(-1e4, 1e4),
    now=st.floats(-1e4, 1e4),
    idle=st.floats(-1e4, 1e4),
    absolute=st.floats(-1e4, 1e4),
    ended=st.booleans(),
)
def test_no_dead_chain_and_no_token_that_never_was_ever_gets_a_pair(
    generation: int,
    presented: int,
    spent_at: float | None,
    now: float,
    idle: float,
    absolute: float,
    ended: bool,
) -> None:
    verdict = judge(
        Chain(generation, idle, absolute, ended),
        Presented(presented, spent_at),
        now=now,
        grace_s=GRACE,
    )
    if verdict in {Verdict.ROTATE, Verdict.REPEAT}:
        assert not ended
        assert now < min(idle, absolute)
        assert presented in {generation, generation - 1}
    if ended:
        assert verdict is Verdict.ENDED
