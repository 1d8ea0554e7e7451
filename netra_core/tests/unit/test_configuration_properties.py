"""Whatever happens to the configuration: whole revisions, precedence, a chain that tells."""

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netra_core.configuration import (
    ConfigurationChange,
    InvalidConfigurationError,
    MemoryRevisionStore,
    Source,
    UnifiedConfigurationManager,
    VetoError,
)
from netra_core.configuration.revisions import find_tampering
from netra_core.environment import IsolatedEnvironment, get_env
from netra_core.testing.configurations import made_up_secret

FULL = get_env().get("APEX_PROOF") == "1"
READERS = 8
FIRST, SECOND = "runs.max_total", "websocket.messages_per_minute"
"""Two keys that every operation writes together: SECOND is always FIRST + 1000."""
REFUSED = 13
DEFAULT = (50, 120)

Pair = tuple[int, int]
numbers = st.integers(min_value=1, max_value=40)
operations = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["database", "override", "file", "environment"]), numbers),
        st.tuples(st.sampled_from(["delete", "unoverride", "unfile", "unset"]), st.just(0)),
        st.tuples(st.just("rollback"), st.integers(min_value=0, max_value=30)),
        st.tuples(st.just("reload"), st.just(0)),
        st.tuples(st.sampled_from(["broken file", "bad value"]), st.just(0)),
    ),
    min_size=6,
    max_size=25,
)


class Refusing:
    """A subscriber that vetoes one number."""

    def prepare(self, change: ConfigurationChange) -> None:
        if change.current.runs.max_total == REFUSED:
            raise VetoError("unlucky")

    def commit(self, change: ConfigurationChange) -> None:
        """Nothing to do."""

    def abort(self, change: ConfigurationChange) -> None:
        """Nothing to do."""


def pair(number: int) -> Pair:
    return (number, number + 1000)


class World:
    """A configuration, and beside it what it must say."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "apex.toml"
        self.file.write_text("")
        self.env = IsolatedEnvironment({"ENVIRONMENT": "test", "FERNET_KEY": made_up_secret("f")})
        self.store = MemoryRevisionStore()
        self.manager = UnifiedConfigurationManager(self.env, store=self.store, file=self.file)
        self.manager.subscribe(Refusing())
        self.layers: dict[str, int | None] = dict.fromkeys(
            ("override", "environment", "file", "database")
        )
        self.outside: dict[str, int | None] = {"environment": None, "file": None}
        self.broken = False
        self.database: dict[int, int | None] = {0: None}
        self.seen: set[Pair] = {DEFAULT}

    def expected(self) -> Pair:
        number = next((n for n in self.layers.values() if n is not None), None)
        return DEFAULT if number is None else pair(number)

    def apply(self, operation: str, number: int) -> None:
        before = dict(self.layers)
        accepted = self._do(operation, number)
        if not accepted:
            self.layers = before
        self.seen.add(self.expected())
        revision = self.manager.revision
        self.database.setdefault(revision, self.layers["database"])

    def _do(self, operation: str, number: int) -> bool:
        manager, first_second = self.manager, dict(zip((FIRST, SECOND), pair(number), strict=True))
        match operation:
            case "database" | "override":
                self.layers[operation] = number
                return self._try(lambda: manager.update(first_second, Source(operation)))
            case "delete" | "unoverride":
                layer = "database" if operation == "delete" else "override"
                self.layers[layer] = None
                return self._try(lambda: manager.delete_all([FIRST, SECOND], Source(layer)))
            case "file":
                first, second = pair(number)
                self.file.write_text(
                    f"[runs]\nmax_total = {first}\n[websocket]\nmessages_per_minute = {second}\n"
                )
                self.outside["file"], self.broken = number, False
                return True
            case "unfile":
                self.file.write_text("")
                self.outside["file"], self.broken = None, False
                return True
            case "broken file":
                self.file.write_text(f"[runs]\nmax_total = {number + 1}\nmax_total = \n")
                self.broken = True
                return True
            case "environment":
                names = ("APEX_RUNS_MAX_TOTAL", "APEX_WEBSOCKET_MESSAGES_PER_MINUTE")
                self.env.update(dict(zip(names, map(str, pair(number)), strict=True)), "test")
                self.outside["environment"] = number
                return True
            case "unset":
                self.env.delete("APEX_RUNS_MAX_TOTAL")
                self.env.delete("APEX_WEBSOCKET_MESSAGES_PER_MINUTE")
                self.outside["environment"] = None
                return True
            case "reload":
                self.layers |= self.outside
                return self._try(manager.reload) and not self.broken
            case "bad value":
                with pytest.raises(InvalidConfigurationError):
                    manager.update({FIRST: 5, SECOND: "many"})
                return True
            case _:
                target = number % (manager.revision + 1)
                self.layers["database"] = self.database[target]
                return self._try(lambda: manager.rollback(target))

    def _try(self, action: object) -> bool:
        refused = self.expected()[0] == REFUSED and self.manager.get(FIRST) != REFUSED
        try:
            action()  # type: ignore[operator]
        except VetoError:
            assert refused
            return False
        except Exception as error:
            assert self.broken and "TOML" in str(error), repr(error)
            return False
        assert not refused
        return True


@contextmanager
def readers(world: World) -> Iterator[list[set[Pair]]]:
    """Eight threads that read whole settings again and again, and what each of them saw."""
    stop, started = threading.Event(), threading.Barrier(READERS + 1)
    seen: list[set[Pair]] = [set() for _ in range(READERS)]

    def read(mine: set[Pair]) -> None:
        started.wait()
        while True:
            snapshot = world.manager.settings
            mine.add((snapshot.runs.max_total, snapshot.websocket.messages_per_minute))
            if stop.is_set():
                return

    threads = [threading.Thread(target=read, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    started.wait()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@settings(
    max_examples=400 if FULL else 25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(operations)
def test_any_sequence_shows_eight_readers_only_whole_revisions_and_keeps_precedence(
    steps: list[tuple[str, int]],
) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder))
            with readers(world) as seen:
                for operation, number in steps:
                    world.apply(operation, number)
                    now = world.manager.settings
                    shown = (now.runs.max_total, now.websocket.messages_per_minute)
                    assert shown == world.expected()
                    assert world.manager.get(FIRST) == shown[0]
            for mine in seen:
                assert mine and mine <= world.seen
            numbers_in_order = [row.number for row in reversed(world.manager.history())]
            assert numbers_in_order == list(range(1, world.manager.revision + 1))
            assert world.manager.verify_history() == ()
    finally:
        sys.setswitchinterval(interval)


@settings(max_examples=300 if FULL else 60, deadline=None)
@given(data=st.data(), length=st.integers(min_value=2, max_value=8))
def test_any_change_of_any_row_is_detected(data: st.DataObject, length: int) -> None:
    env = IsolatedEnvironment({"ENVIRONMENT": "test", "FERNET_KEY": made_up_secret("f")})
    store = MemoryRevisionStore()
    manager = UnifiedConfigurationManager(env, store=store)
    for number in range(length):
        manager.set("llm.openai_api_key", f"key-{number}", actor="a", reason="r")
    rows, head, cipher = list(store.read()), store.head(), manager.core.cipher
    assert find_tampering(rows, head, cipher) == ()
    place = data.draw(st.integers(0, length - 1))
    row = rows[place]
    kind = data.draw(st.sampled_from(["field", "remove", "swap", "repeat", "close again"]))
    if kind == "field":
        name = data.draw(st.sampled_from(["actor", "reason", "service", "hash", "seal", "key_id"]))
        rows[place] = replace(row, **{name: data.draw(st.text(max_size=5)) + "x"})
    elif kind == "remove":
        del rows[place]
    elif kind == "swap":
        other = (place + 1) % length
        rows[place], rows[other] = rows[other], rows[place]
    elif kind == "repeat":
        rows.insert(place, row)
    else:
        # someone without the key rewrites a row and makes all hashes after it fit again
        rows[place] = replace(row, actor="x")
        for index in range(place, length):
            earlier = rows[index - 1].hash if index else rows[index].previous_hash
            rows[index] = replace(
                replace(rows[index], previous_hash=earlier).closed(None), seal=row.seal
            )
    found = find_tampering(rows, head, cipher)
    assert found
    if kind in ("field", "close again"):
        assert place + 1 in {tampering.revision for tampering in found}
