"""The event log for tests keeps the guarantees it stands in for."""

import pytest

from netra_core.events import EventLog, InProcessFanOut
from netra_core.testing.event_log import MemoryEventLog
from netra_core.testing.event_log_conformance import EventLogConformance, MakeLog


class TestMemoryEventLog(EventLogConformance):
    @pytest.fixture
    def make_log(self) -> MakeLog:
        log = MemoryEventLog()

        async def make(fan_out: InProcessFanOut) -> EventLog:
            log.fan_out = fan_out
            return log

        return make
