"""Paired quality outcomes: how well each of several models did on the same items.

Long form: one row an item and model, columns item, model, score and optionally cost, segment,
input_tokens, output_tokens. Wide form: one row an item, one column a model holding its score (other
columns are ignored). CSV, JSON lines or Parquet, by the file's ending.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from netra_optimizer.errors import InputError

Float64 = NDArray[np.float64]

ITEM_NAMES: Final = ("item", "item_id", "id", "question_id", "global_index", "prompt", "question")
MODEL_NAMES: Final = ("model", "llm_selected", "model_name")
SCORE_NAMES: Final = ("score", "correct", "quality", "evaluation_result.score")
COST_NAMES: Final = ("cost", "cost_usd", "inference_cost", "evaluation_result.inference_cost")
SEGMENT_NAMES: Final = ("segment", "feature", "category")
INPUT_NAMES: Final = ("input_tokens", "token_usage.input_tokens", "prompt_tokens")
OUTPUT_NAMES: Final = ("output_tokens", "token_usage.output_tokens", "completion_tokens")


class OutcomesError(InputError):
    """A file of outcomes cannot be used."""

    code = "OPT-120"


@dataclass(frozen=True)
class ModelScores:
    """One model's results by item; nan where not stated. Money in USD."""

    score: Float64
    cost: Float64
    input_tokens: Float64
    output_tokens: Float64


@dataclass(frozen=True)
class Paired:
    """Two models on the items both answered, in one order."""

    items: int
    baseline: ModelScores
    candidate: ModelScores


@dataclass(frozen=True)
class Outcomes:
    """Scores by model over one list of items; `segment` names an item's segment, or is empty."""

    items: tuple[str, ...]
    segment: tuple[str, ...]
    models: Mapping[str, ModelScores]

    @classmethod
    def read(cls, *paths: str | Path) -> "Outcomes":
        """Read one file, or several of one form (a file a model). Raises OutcomesError."""
        rows: list[dict[str, Any]] = []
        for path in paths:
            rows.extend(_rows(Path(path)))
        if not rows:
            raise OutcomesError(
                "The file of outcomes holds no row.", hint="It needs item, model, score."
            )
        return cls.from_rows(rows)

    @classmethod
    def from_rows(cls, rows: list[dict[str, Any]]) -> "Outcomes":
        """From rows in the long or the wide form."""
        first = rows[0]
        if _find(first, SCORE_NAMES) and _find(first, MODEL_NAMES):
            return _from_long(rows)
        return _from_wide(rows)

    def segments(self) -> list[str]:
        """Named segments, sorted."""
        return sorted({name for name in self.segment if name})

    def paired(self, baseline: str, candidate: str, *, segment: str | None = None) -> Paired:
        """The items which both models answered, of one segment or of all."""
        one, other = self.models[baseline], self.models[candidate]
        both = ~np.isnan(one.score) & ~np.isnan(other.score)
        if segment is not None:
            both &= np.array([name == segment for name in self.segment])
        return Paired(int(both.sum()), _taken(one, both), _taken(other, both))

    def mean_score(self, model: str) -> float:
        """The mean score of a model over the items it answered."""
        return float(np.nanmean(self.models[model].score))

    def oracle_score(self) -> float:
        """The mean of the best score of each item: what perfect routing would reach."""
        return float(np.mean(np.nanmax(np.stack([m.score for m in self.models.values()]), axis=0)))

    def total_cost(self, model: str) -> float:
        """What a model's answers cost in all, USD; nan where no cost is stated."""
        cost = self.models[model].cost
        return float(np.nansum(cost)) if not np.isnan(cost).all() else float("nan")


def _taken(scores: ModelScores, mask: NDArray[np.bool_]) -> ModelScores:
    return ModelScores(
        scores.score[mask], scores.cost[mask], scores.input_tokens[mask], scores.output_tokens[mask]
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pa_parquet

    if path.is_fifo():
        raise OutcomesError(f"{str(path)!r} is a pipe, not a file.")
    try:
        match path.suffix.lower():
            case ".parquet" | ".pq":
                return pa_parquet.read_table(path).to_pylist()
            case ".csv" | ".tsv":
                delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
                return pa_csv.read_csv(
                    path,
                    read_options=pa_csv.ReadOptions(block_size=64 << 20),
                    parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                ).to_pylist()
            case _:
                decoder = msgspec.json.Decoder(dict[str, Any])
                data = path.read_bytes().strip()
                if data.startswith(b"["):
                    return msgspec.json.decode(data, type=list[dict[str, Any]])
                return [decoder.decode(line) for line in data.splitlines() if line.strip()]
    except FileNotFoundError:
        raise OutcomesError(f"There is no file {str(path)!r}.") from None
    except (pa.ArrowInvalid, msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise OutcomesError(
            f"The outcomes in {path.name!r} cannot be read: {str(error).splitlines()[0]}",
            hint="Use CSV, JSON lines or Parquet with the columns item, model, score.",
        ) from None


def _value(row: Mapping[str, Any], dotted: str) -> Any:  # Any: a value of a foreign row
    value: Any = row
    for part in dotted.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _find(row: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if _value(row, name) is not None), None)


def _number(value: object) -> float:
    if isinstance(value, bool | int | float):
        return _finite(float(value))
    if isinstance(value, str):
        lowered = value.strip().lower()
        if lowered in {"true", "false"}:
            return float(lowered == "true")
        try:
            return _finite(float(lowered))
        except ValueError:
            return float("nan")
    return float("nan")


def _finite(value: float) -> float:
    """A score of infinity is none."""
    return value if math.isfinite(value) else float("nan")


def _from_long(rows: list[dict[str, Any]]) -> Outcomes:
    first = rows[0]
    item_name = _find(first, ITEM_NAMES)
    model_name, score_name = _find(first, MODEL_NAMES), _find(first, SCORE_NAMES)
    if item_name is None or model_name is None or score_name is None:
        raise OutcomesError(
            "The outcomes name no item, model or score.",
            hint=f"The columns are {', '.join(first)!r}; call them item, model, score.",
        )
    optional = [_find(first, names) for names in (COST_NAMES, INPUT_NAMES, OUTPUT_NAMES)]
    segment_name = _find(first, SEGMENT_NAMES)
    items: dict[tuple[str, str], int] = {}
    cells: dict[str, list[tuple[int, list[float]]]] = {}
    for row in rows:
        segment = str(_value(row, segment_name) or "") if segment_name else ""
        at = items.setdefault((segment, str(_value(row, item_name))), len(items))
        values = [_number(_value(row, score_name))]
        values += [_number(_value(row, name)) if name else float("nan") for name in optional]
        cells.setdefault(str(_value(row, model_name)), []).append((at, values))
    if np.isnan([values[0] for entries in cells.values() for _, values in entries]).all():
        raise OutcomesError(
            f"Not one {score_name} of the outcomes is a number.",
            hint="A score is a number, for instance 1 where the answer was right, 0 where not.",
        )
    models: dict[str, ModelScores] = {}
    for model, entries in cells.items():
        table = np.full((4, len(items)), np.nan)
        for at, values in entries:
            table[:, at] = values
        models[model] = ModelScores(*table)
    names = tuple(item for _, item in items)
    return Outcomes(names, tuple(segment for segment, _ in items), models)


def _from_wide(rows: list[dict[str, Any]]) -> Outcomes:
    first = rows[0]
    item_name = _find(first, ITEM_NAMES)
    segment_name = _find(first, SEGMENT_NAMES)
    taken = {item_name, segment_name}
    names = [
        name
        for name in first
        if name not in taken and all(np.isfinite(_number(row.get(name))) for row in rows[:50])
    ]
    if len(names) < 2:
        raise OutcomesError(
            "The outcomes hold no two columns of scores to compare.",
            hint="Give item, model, score in rows, or one column of scores for each model.",
        )
    items = [str(row.get(item_name, at)) if item_name else str(at) for at, row in enumerate(rows)]
    segments = [str(row.get(segment_name) or "") if segment_name else "" for row in rows]
    empty = np.full(len(rows), np.nan)
    models = {
        name: ModelScores(np.array([_number(row.get(name)) for row in rows]), empty, empty, empty)
        for name in names
    }
    return Outcomes(tuple(items), tuple(segments), models)
