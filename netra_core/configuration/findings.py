"""What is wrong with a configuration, said so that somebody can mend it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from netra_core.configuration.schema import Service, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to mend. Holds no value of a secret.

    `rule` is stable and short; `source` says where the value came from; `remedy` what to do.
    """

    rule: str
    severity: Severity
    key: str
    reason: str
    remedy: str
    source: str = ""
    services: tuple[Service, ...] = ()

    def __str__(self) -> str:
        where = f" ({self.source})" if self.source else ""
        return f"{self.key}{where}: {self.reason}"


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, most severe first, then by key."""
    return tuple(sorted(findings, key=lambda f: (f.severity.rank, f.key, f.rule)))


def blocking(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those a deployed service does not start with."""
    return tuple(f for f in findings if f.severity is Severity.CRITICAL)


def one_line(findings: Sequence[Finding]) -> str:
    """All findings in one line."""
    return "; ".join(map(str, findings))
