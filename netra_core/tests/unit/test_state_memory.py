import pytest

from netra_core.state import MemoryStateStore
from netra_core.testing.state_conformance import MakeStore, StateConformance


class TestMemoryState(StateConformance):
    @pytest.fixture
    async def make_store(self) -> MakeStore:
        async def make(now):
            return MemoryStateStore(now=now)

        return make

    # One event loop and a store that never waits: nothing can interleave in memory.
    @staticmethod
    def _interleaved(history) -> bool:
        return True
