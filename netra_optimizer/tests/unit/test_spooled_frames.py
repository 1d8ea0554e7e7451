"""Frames of records that waited in files, held against frames of the same records in memory."""

import dataclasses
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra_optimizer import PriceTable, UsageFrame, UsageRecord, analyze, read_files
from netra_optimizer.replay.stream import Traffic
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.columns import Text
from netra_optimizer.usage.frame import Calls
from netra_optimizer.usage.loading import loaded_frame
from netra_optimizer.usage.spool import spooled_frame

T0 = datetime(2026, 11, 1, tzinfo=UTC)
WORDS = st.sampled_from(["", "a", "b", "ß", "gpt-4o", "x" * 30])
IDS = st.lists(
    st.one_of(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=4),
        st.integers(0, 10**6).map(lambda n: f"chatcmpl-{n:020d}"),
    ),
    unique=True,
    max_size=30,
)


@st.composite
def records(draw: st.DrawFn) -> list[UsageRecord]:
    """Records with many equal starts, in any order."""
    numbers = st.integers(0, 3)
    return [
        UsageRecord(
            id=name, start=T0 + timedelta(seconds=draw(numbers)), model=draw(WORDS),
            user=draw(WORDS), conversation=draw(WORDS), input_uncached=draw(numbers),
            output_text=draw(st.sampled_from([0, 7])), attempt=draw(st.integers(1, 2)),
            latency_ms=draw(st.sampled_from([None, 1.5])),
            quality=draw(st.sampled_from([None, 0.5])),
            tags=tuple(draw(st.lists(WORDS, max_size=2))),
            requests=draw(st.sampled_from([1, 1, 1, 3])),
            block_hashes=tuple(draw(st.lists(st.integers(0, 2**64 - 1), max_size=3))),
        )
        for name in draw(IDS)
    ]  # fmt: skip


def batches(found: Sequence[UsageRecord], size: int) -> list[pa.RecordBatch]:
    return [batch_of_records(found[at : at + size]) for at in range(0, len(found), size)]


def columns(frame: UsageFrame | Calls) -> dict[str, object]:
    """Every column in plain values."""
    plain: dict[str, object] = {}
    for field in dataclasses.fields(frame):
        column = getattr(frame, field.name)
        if isinstance(column, Calls):
            plain |= columns(column)
        elif isinstance(column, Text):
            plain[field.name] = column.to_list()
        elif column is None:
            plain[field.name] = None
        else:
            plain[field.name] = (column[:].dtype, column[:].tolist())
    return plain


@settings(max_examples=60, deadline=None)
@given(records(), st.integers(1, 9), st.randoms(use_true_random=False))
def test_a_spooled_frame_is_the_frame_in_memory(
    found: list[UsageRecord], size: int, rng: random.Random
) -> None:
    in_memory = UsageFrame.from_arrow(
        pa.Table.from_batches(batches(found, 100), batch_of_records([]).schema)
    )
    shuffled = rng.sample(found, len(found))
    assert repr(columns(spooled_frame(batches(shuffled, size)))) == repr(columns(in_memory))


def test_rows_of_a_spooled_frame_are_taken_as_of_any_other() -> None:
    found = [
        UsageRecord(id=f"{n:03}", start=T0, model="gpt-4o", block_hashes=(1, n), tags=("t",))
        for n in range(9)
    ]
    spooled, rows = spooled_frame(batches(found[::-1], 2)), np.array([1, 4, 8])
    in_memory = UsageFrame.from_arrow(pa.Table.from_batches(batches(found, 9)))
    assert repr(columns(spooled.take(rows))) == repr(columns(in_memory.take(rows)))
    assert spooled.blocks(3).tolist() == [1, 3]


def test_columns_of_one_value_take_the_room_of_one() -> None:
    found = [
        UsageRecord(id=f"{n:03}", start=T0 + timedelta(seconds=n), model="gpt-4o", input_uncached=n)
        for n in range(50)
    ]
    frame = spooled_frame(batches(found, 7))
    held = {
        name: column.strides
        for name in ("reasoning", "cache_read", "input_uncached")
        if (column := getattr(frame.calls, name)) is not None
    }
    assert held == {"reasoning": (0,), "cache_read": (0,), "input_uncached": (8,)}
    assert frame.calls.model.codes.strides == (0,)
    assert Traffic.of(frame).answered.strides == (0,)


def test_few_records_and_many_give_one_analysis(tmp_path: Path) -> None:
    rng = random.Random(5)
    lines = ["timestamp,model,input_tokens,output_tokens,user,prompt_hash,temperature"]
    lines += [
        f"2026-11-{rng.randrange(1, 9):02}T10:{rng.randrange(60):02}:00Z,gpt-4o,"
        f"{rng.randrange(9000)},{rng.randrange(900)},u{rng.randrange(5)},h{rng.randrange(40)},0"
        for _ in range(600)
    ]
    path = tmp_path / "calls.csv"
    path.write_text("\n".join(lines))
    prices = PriceTable.load()
    with loaded_frame(read_files(path)) as stored:
        one = analyze(stored, prices=prices)
    rng.shuffle(body := lines[1:])
    path.write_text("\n".join([lines[0], *body]))
    with loaded_frame(read_files(path), stored_bytes=0) as spooled:
        other = analyze(spooled, prices=prices)
    assert one == other
    assert one.usage.requests == 600


def test_more_rows_than_the_engine_is_for_are_spooled_on_the_way(tmp_path: Path) -> None:
    lines = [f"2026-11-01T10:00:{n % 60:02}Z,gpt-4o,{n},1" for n in range(40_000)]
    path = tmp_path / "calls.csv"
    path.write_text("timestamp,model,input_tokens,output_tokens\n" + "\n".join(lines))
    imported = read_files(path)
    with loaded_frame(imported, stored_rows=1000) as frame:
        assert (len(frame), imported.audit.rows_kept) == (40_000, 40_000)
        assert frame.calls.input_uncached.sum() == sum(range(40_000))


def test_of_a_summed_row_that_is_in_a_large_file_twice_the_larger_counts(tmp_path: Path) -> None:
    def bucket(requests: int) -> dict[str, object]:
        result = {
            "object": "organization.usage.completions.result", "model": "gpt-4o",
            "input_tokens": 10 * requests, "output_tokens": 1, "num_model_requests": requests,
        }  # fmt: skip
        return {"start_time": 1795132800, "end_time": 1795219200, "results": [result]}

    path = tmp_path / "usage.json"
    path.write_text(json.dumps({"data": [bucket(3), bucket(5)], "has_more": False}))
    with loaded_frame(read_files(path), stored_rows=2, stored_bytes=0) as frame:
        assert (len(frame), int(frame.calls.input_tokens.sum())) == (5, 50)


def test_a_file_without_a_usable_row_says_so_however_large(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_text("timestamp,model,input_tokens,output_tokens\nthen,gpt-4o,1,2\n")
    with (
        pytest.raises(Exception, match="Not one of 1 rows"),
        loaded_frame(read_files(path), stored_bytes=0),
    ):
        pass
