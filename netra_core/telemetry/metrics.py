"""Metrics of one process over prometheus-client, in a registry of their own."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics import MetricWrapperBase

M = TypeVar("M", bound=MetricWrapperBase)
PREFIX = "apex_"


class Metrics:
    """Counters, gauges and histograms by name; asking twice for a name gives the same one.

    Names get the prefix `apex_`. Label values must come from small closed sets: never ids of
    people, threads or runs.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._lock = threading.Lock()
        self._known: dict[str, MetricWrapperBase] = {}

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Counter:
        """A count that only rises; `_total` is added to its name."""
        return self._get(
            Counter, name, lambda full: Counter(full, help_text, labels, registry=self.registry)
        )

    def gauge(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Gauge:
        """A value that rises and falls."""
        return self._get(
            Gauge, name, lambda full: Gauge(full, help_text, labels, registry=self.registry)
        )

    def histogram(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS,
    ) -> Histogram:
        """A distribution, in the unit its name ends with; the default buckets suit seconds."""
        return self._get(
            Histogram,
            name,
            lambda full: Histogram(
                full, help_text, labels, registry=self.registry, buckets=buckets
            ),
        )

    def render(self) -> tuple[bytes, str]:
        """The exposition that `/metrics` answers with, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _get(self, kind: type[M], name: str, make: Callable[[str], M]) -> M:
        with self._lock:
            metric = self._known.get(name)
            if metric is None:
                metric = self._known[name] = make(PREFIX + name)
            if not isinstance(metric, kind):
                raise TypeError(f"metric {name!r} is a {type(metric).__name__.lower()} already")
            return metric
