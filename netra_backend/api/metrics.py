"""What /metrics tells: read from the parts at the time of asking."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from netra_backend.composition import Platform


class BackendMetrics(Collector):
    """Collects from one platform into a registry of its own."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> tuple[bytes, str]:
        """The text and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterator[Metric]:
        """The gauges as they are now."""
        platform = self._platform
        sockets = platform.sockets.get_stats()
        sessions = platform.deps.sessions.stats()
        agents = platform.agents.state()
        age = platform.revocations.age_s
        for name, text, value in (
            ("apex_ready", "1 when requests are served", float(platform.ready)),
            ("apex_runs_live", "runs that execute in this process", len(platform.runs.live)),
            ("apex_sockets_open", "open sockets", sockets.connections),
            ("apex_agents", "agents at work", agents.agents),
            ("apex_agent_sessions", "users with agents", agents.sessions),
            ("apex_database_sessions_open", "open database sessions", sessions.open_now),
            ("apex_database_sessions_leaked", "database sessions closed as leaks", sessions.leaked),
            (
                "apex_revocations_age_seconds",
                "age of the knowledge of revocations; -1 before the first",
                -1.0 if age is None else age,
            ),
        ):
            yield GaugeMetricFamily(name, text, value=value)
