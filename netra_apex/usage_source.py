"""Where `apex usage` looks: files of its own, or the workspace of a running Apex."""

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from netra_client import ApexClient

if TYPE_CHECKING:
    from netra_optimizer import PriceTable, TenantUsage, UsageFilter

Row = Mapping[str, Any]
"""A total or a group as the API writes it. Any: counts, money, text."""

NAMES = ("model", "provider", "feature", "user", "team", "tag", "service_tier", "status")
LOCAL_TENANT = "local"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which calls: of a period, with these names (`only`); an empty name: those that have none."""

    start: str | None
    end: str | None
    only: Mapping[str, str]

    def query(self) -> dict[str, str]:
        """As query parameters of the API."""
        times = {"from": self.start, "to": self.end}
        return {**{name: text for name, text in times.items() if text is not None}, **self.only}

    def where(self) -> "UsageFilter":
        """As the store takes it."""
        from netra_optimizer import UsageFilter

        names: dict[str, Any] = dict(self.only)
        return UsageFilter(start=_moment(self.start), end=_moment(self.end), **names)


def chosen(start: str | None, end: str | None, only: list[str]) -> Chosen:
    """What the options say. Raises typer.BadParameter for what cannot be meant."""
    for option, text in (("--from", start), ("--to", end)):
        try:
            _moment(text)
        except (ValueError, OverflowError):  # the year 1 or 9999 may end in another zone
            raise typer.BadParameter(
                f"{text!r} is no time like 2026-11-01 or 2026-11-01T10:00:00Z", param_hint=option
            ) from None
    begin, until = _moment(start), _moment(end)
    if begin is not None and until is not None and until < begin:
        raise typer.BadParameter(f"{end!r} is before --from {start!r}", param_hint="--to")
    names: dict[str, str] = {}
    for text in only:
        name, equals, value = text.partition("=")
        if not equals or name not in NAMES:
            raise typer.BadParameter(
                f"{text!r} is not NAME=VALUE with a name of {', '.join(NAMES)}", param_hint="--only"
            )
        names[name] = value
    return Chosen(start=start, end=end, only=names)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


class Files:
    """Records read from files, in a store of their own that goes with this command."""

    def __init__(self, tenant: "TenantUsage", prices: "PriceTable") -> None:
        self._tenant = tenant
        self._prices = prices

    @classmethod
    @contextmanager
    def opened(
        cls,
        files: list[Path],
        prices: "PriceTable",
        **options: Any,  # Any: options of read_files
    ) -> "Generator[Files]":
        """Read the files, and say on standard error what was left out.

        Raises OptimizerError for input that cannot be used.
        """
        import netra_optimizer

        with tempfile.TemporaryDirectory(prefix="apex-") as folder:
            imported = netra_optimizer.read_files(files, **options)
            with netra_optimizer.UsageStore.open(Path(folder) / "usage") as store:
                tenant = store.for_tenant(LOCAL_TENANT)
                tenant.insert(imported.batches())
                for reason, rows in imported.audit.dropped.items():
                    typer.echo(f"left out {rows:,}: {reason}", err=True)
                yield cls(tenant, prices)

    def summary(self, which: Chosen) -> Row:
        """Totals of the chosen calls."""
        return msgspec.to_builtins(self._tenant.summary(which.where(), prices=self._prices))

    def breakdown(self, by: str, which: Chosen, limit: int) -> list[Row]:
        """Groups of the chosen calls. Raises BadQuery for a name that is none."""
        found = self._tenant.breakdown(by, which.where(), prices=self._prices, limit=limit)
        return [
            {
                "key": row.key[by] or "(none)",
                "requests": row.requests,
                "input_tokens": row.input_tokens,
                "cached_input_tokens": row.cached_input_tokens,
                "output_tokens": row.output_tokens,
                "cost_usd": row.cost_usd,
                "p50_ms": row.latency_p50_ms,
                "p95_ms": row.latency_p95_ms,
                "error_share": row.errors / row.requests if row.requests else 0.0,
                "unpriced_requests": row.unpriced_requests,
            }
            for row in found
        ]

    def export(self, out: Path, fmt: str, which: Chosen) -> None:
        """Write the chosen calls to a file."""
        from netra_optimizer.usage.export import export_usage

        export_usage(self._tenant, out, prices=self._prices, fmt=fmt, where=which.where())


class Workspace:
    """The workspace of whoever has signed in to a running Apex."""

    def __init__(self, client: ApexClient) -> None:
        self._client = client

    async def summary(self, which: Chosen) -> Row:
        """Totals of the chosen calls."""
        return await self._client.get("/api/usage/summary", **which.query())

    async def breakdown(self, by: str, which: Chosen, limit: int) -> list[Row]:
        """Groups of the chosen calls; a day is named as `Files` name it."""
        query: dict[str, Any] = {**which.query(), "by": by, "limit": limit}
        rows: list[Row] = (await self._client.get("/api/usage/breakdown", **query))["items"]
        return [{**row, "key": row["key"][:10]} for row in rows] if by == "day" else rows

    async def export(self, out: Path, fmt: str, which: Chosen) -> None:
        """Write the chosen calls to a file."""
        await self._client.download("/api/usage/export", out, format=fmt, **which.query())
