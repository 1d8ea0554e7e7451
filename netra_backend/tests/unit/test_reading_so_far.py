"""A form that is being filled in says the beginning of what it says in the end."""

import json
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from netra_backend.agents.triage import _understood  # pyright: ignore[reportPrivateUsage]
from netra_backend.reasoner.reading import Reading, intent_of, reading_so_far

QUESTION = "Could chat, search and chatter on gpt-4o go under half a second, or 2 s with o3?"
NAMES = st.lists(st.sampled_from(["chat", "search", "chatter", "made up"]), max_size=4)
BOUNDS = st.lists(
    st.fixed_dictionaries(
        {
            "feature": st.sampled_from(["chat", "search", None]),
            "max_ms": st.sampled_from([500, 2000, 12.5]),
            "words": st.sampled_from(["under half a second", "or 2 s"]),
        }
    ),
    max_size=3,
)
FORMS = st.fixed_dictionaries(
    {"topic": st.sampled_from(["savings", "speed", "model_fit"])},
    optional={
        "features": NAMES,
        "models": st.lists(st.sampled_from(["gpt-4o", "o3", "gpt-9"]), max_size=3),
        "replace_named_models": st.booleans(),
        "latency_bounds": BOUNDS,
        "cost_change_percent": st.sampled_from([-20, 5.5]),
        "keep_quality": st.booleans(),
    },
)


@settings(max_examples=60, deadline=None)
@given(form=FORMS, order=st.randoms(use_true_random=False))
def test_what_is_told_while_a_form_fills_only_grows_into_what_is_told_in_the_end(
    form: dict[str, object], order: Random
) -> None:
    fields = list(form.items())
    order.shuffle(fields)
    text = json.dumps(dict(fields))
    final = _understood(intent_of(Reading.model_validate(form), QUESTION))
    told: list[str] = []
    for length in range(len(text) + 1):
        reading = reading_so_far(text[:length])
        if reading is not None:
            told.append(_understood(intent_of(reading, QUESTION)))
    assert all(final.startswith(now) for now in told)


def test_names_are_told_one_by_one_and_none_half_read() -> None:
    form = '{"topic": "speed", "features": ["chat", "sea'
    assert reading_so_far('{"topic": "spe') is None
    assert _understood(intent_of(reading_so_far(form), QUESTION)) == (  # type: ignore[arg-type]
        "This asks about speed; names chat"
    )
