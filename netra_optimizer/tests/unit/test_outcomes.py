"""Files of paired outcomes, in the long and in the wide form."""

from pathlib import Path

import msgspec
import pytest

from netra_optimizer import Outcomes
from netra_optimizer.errors import InputError

LONG = [
    {"item": "q1", "model": "a", "score": 1, "cost": 0.5, "segment": "law"},
    {"item": "q1", "model": "b", "score": 0, "cost": 0.1, "segment": "law"},
    {"item": "q2", "model": "a", "score": 1, "cost": 0.5, "segment": "tax"},
    {"item": "q2", "model": "b", "score": 1, "cost": 0.1, "segment": "tax"},
    {"item": "q3", "model": "b", "score": 1, "cost": 0.1, "segment": "tax"},
]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_bytes(b"\n".join(msgspec.json.encode(row) for row in rows))
    return path


def test_long_rows_are_paired_by_item(tmp_path: Path) -> None:
    outcomes = Outcomes.read(write(tmp_path / "o.jsonl", LONG))
    pair = outcomes.paired("a", "b")
    assert pair.items == 2
    assert pair.baseline.score.tolist() == [1, 1]
    assert pair.candidate.score.tolist() == [0, 1]
    assert outcomes.paired("a", "b", segment="law").items == 1
    assert outcomes.total_cost("b") == pytest.approx(0.3)
    assert outcomes.segments() == ["law", "tax"]


def test_a_column_a_model_is_the_same_in_wide_form(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text('prompt,weak,strong,weak_response\n"a, b",True,True,"x\ny"\nc,False,True,z\n')
    outcomes = Outcomes.read(path)
    assert list(outcomes.models) == ["weak", "strong"]
    assert (outcomes.mean_score("weak"), outcomes.oracle_score()) == (0.5, 1.0)


@pytest.mark.parametrize(
    "content", [b"", b"not json", b'{"a": 1}', b'{"model": "x", "score": 1}', b"\xff\xfe\x00"]
)
def test_a_file_that_is_none_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match="outcomes"):
        Outcomes.read(path)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        Outcomes.read(tmp_path / "none.csv")


def test_items_numbered_anew_in_each_segment_are_items_of_their_own() -> None:
    outcomes = Outcomes.from_rows(
        [
            {"item": at, "segment": segment, "model": model, "score": score}
            for segment, score in (("law", 1), ("tax", 0))
            for at in range(5)
            for model in ("a", "b")
        ]
    )
    assert outcomes.segments() == ["law", "tax"]
    assert [outcomes.paired("a", "b", segment=name).items for name in ("law", "tax")] == [5, 5]
    assert outcomes.mean_score("a") == 0.5


@pytest.mark.parametrize("score", [float("inf"), "-inf", "1e999"])
def test_an_endless_score_is_no_score(score: object) -> None:
    rows = [{"item": at, "model": m, "score": 1} for at in range(3) for m in ("a", "b")]
    outcomes = Outcomes.from_rows([*rows, {"item": 2, "model": "b", "score": score}])
    assert outcomes.paired("a", "b").items == 2
