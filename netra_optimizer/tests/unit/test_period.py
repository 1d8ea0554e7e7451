"""The period is cut by days that have calls, whatever the hour of its first and last call."""

import numpy as np
import pytest

from netra_optimizer.period import DAY_US, split_period

HOUR_US = DAY_US // 24
MONDAY_US = 20_759 * DAY_US


def at(*hours: float) -> np.ndarray:
    return MONDAY_US + (np.array(hours) * HOUR_US).astype(np.int64)


@pytest.mark.parametrize("first", [0.0, 3.0, 9.5, 23.9])
@pytest.mark.parametrize("last", [120.1, 131.0, 143.99, 144.0])
def test_six_days_are_cut_after_the_second(first: float, last: float) -> None:
    split = split_period(at(first, 40.0, 50.0, 100.0, last), 0.4)
    assert (split.cut_us - MONDAY_US) // HOUR_US == 48
    assert split.choose.tolist() == [True, True, False, False, False]
    assert (split.choose != split.claim).all()


def test_three_days_leave_two_for_the_claim() -> None:
    split = split_period(at(1.0, 30.0, 60.0), 0.4)
    assert (split.single, split.choose.tolist()) == (False, [True, False, False])


def test_below_two_days_nothing_is_cut() -> None:
    split = split_period(at(1.0, 48.9), 0.4)
    assert split.single
    assert split.choose.all() and split.claim.all()


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_each_part_keeps_a_day_at_least(share: float) -> None:
    split = split_period(at(1.0, 30.0, 60.0, 100.0), share)
    assert split.choose.any() and split.claim.any()


def test_days_without_calls_do_not_count_and_belong_to_no_claim_of_a_few_hours() -> None:
    split = split_period(at(1.0, 2.0, 120.5), 0.4)
    assert split.choose.tolist() == [True, True, False]
    assert (split.cut_us - MONDAY_US) // HOUR_US == 24


def test_one_wrong_time_far_ahead_leaves_the_cut_where_it_was() -> None:
    hours = [12.0 + 24 * day for day in range(10)]
    right = split_period(at(*hours), 0.4)
    wrong = split_period(at(*hours, 24.0 * 20_000), 0.4)
    assert wrong.cut_us == right.cut_us
