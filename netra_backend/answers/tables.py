"""Tables from the optimizer's own JSON, whatever rows it has."""

from typing import Any

from netra_backend.report import Column, ReportTable, Unit

_MAX_ROWS = 25


def table_of(body: dict[str, Any]) -> list[ReportTable]:
    """One table for each list of plain rows in `body`."""
    tables: list[ReportTable] = []
    for name, value in body.items():
        rows = [_plain(row) for row in value[:_MAX_ROWS]] if _is_rows(value) else []
        if rows:
            keys = list(dict.fromkeys(key for row in rows for key in row))
            columns = [Column(key=key, label=_label(key), unit=_unit(key)) for key in keys]
            tables.append(ReportTable(title=_label(name), columns=columns, rows=rows))
    return tables


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _plain(row: dict[str, Any]) -> dict[str, str | float | int | None]:
    out: dict[str, str | float | int | None] = {}
    for key, value in row.items():
        if isinstance(value, dict) and {"low", "expected", "high"} <= value.keys():
            out[key] = value["expected"]
        elif isinstance(value, dict):
            out[key] = ", ".join(f"{k}={v}" for k, v in value.items())
        elif isinstance(value, list):
            out[key] = ", ".join(str(item) for item in value[:5])
        elif isinstance(value, bool):
            out[key] = "yes" if value else "no"
        else:
            out[key] = value
    return out


def _label(key: str) -> str:
    text = key.removesuffix("_usd").removesuffix("_ms").removesuffix("_pct").replace("_", " ")
    return text[:1].upper() + text[1:]


def _unit(key: str) -> Unit:
    for ending, unit in (("_usd", "usd"), ("_ms", "ms"), ("_pct", "percent"), ("tokens", "tokens")):
        if key.endswith(ending):
            return unit  # pyright: ignore[reportReturnType]
    return "count" if key in ("requests", "calls", "rows") else "text"
