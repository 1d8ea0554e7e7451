"""Texts that wait in a file are found as in a list."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from netra_optimizer.usage.spilled import SpilledTexts

TEXTS = st.lists(st.sampled_from(["", "a", "b", "ab", "ß", "x" * 30, "?"]), max_size=40)


@given(pieces=st.lists(TEXTS, max_size=4), wanted=st.sampled_from(["", "a", "ß", "z", "\ud800"]))
def test_a_text_stands_where_a_list_has_it(pieces: list[list[str]], wanted: str) -> None:
    column, plain = SpilledTexts(), list[str]()
    for piece in pieces:
        column.append(pa.array(piece, pa.string()))
        plain += piece
        assert (wanted in column) == (wanted in plain)
    assert list(column) == plain
    if wanted in plain:
        assert column.index(wanted) == plain.index(wanted)
