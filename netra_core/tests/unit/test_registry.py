"""UniversalRegistry: one key, one thing; honest counts."""

import threading
from importlib.metadata import EntryPoint

import pytest

from netra_core.registry import (
    DuplicateKeyError,
    FactoryError,
    FrozenRegistryError,
    InvalidKeyError,
    NotRegisteredError,
    RejectedItemError,
    UniversalRegistry,
)


@pytest.fixture
def registry() -> UniversalRegistry[object]:
    return UniversalRegistry("things")


def only_positive(key: str, item: object) -> None:
    if not isinstance(item, int) or item <= 0:
        raise ValueError("not positive")


def test_a_stored_none_is_not_missing(registry: UniversalRegistry[object]) -> None:
    registry.register("nothing", None)
    assert registry.get("nothing") is None
    assert registry.get("nothing", default=1) is None
    assert registry.get("absent", default=1) == 1
    assert "nothing" in registry and len(registry) == 1


def test_a_factory_never_covers_an_item_nor_the_other_way_round(
    registry: UniversalRegistry[object],
) -> None:
    registry.register("a", 1)
    registry.register_factory("b", lambda _: 2)
    for replace in (False, True):
        with pytest.raises(DuplicateKeyError, match="as an item"):
            registry.register_factory("a", lambda _: 3, replace=replace)
        with pytest.raises(DuplicateKeyError, match="as a factory"):
            registry.register("b", 4, replace=replace)
    assert registry.get("a") == 1
    assert registry.create_instance("b") == 2


def test_replacing_an_item_must_be_asked_for(registry: UniversalRegistry[object]) -> None:
    registry.register("a", 1)
    with pytest.raises(DuplicateKeyError):
        registry.register("a", 2)
    registry.register("a", 2, replace=True)
    assert registry.get("a") == 2


def test_asking_for_the_wrong_kind_says_what_to_call(registry: UniversalRegistry[object]) -> None:
    registry.register_factory("made", lambda _: 1)
    registry.register("kept", 1)
    with pytest.raises(NotRegisteredError, match="create_instance"):
        registry.get("made")
    with pytest.raises(NotRegisteredError, match="Use get"):
        registry.create_instance("kept")
    with pytest.raises(NotRegisteredError, match="Registered: kept, made"):
        registry.get("other")


def test_each_instance_is_made_for_its_context(registry: UniversalRegistry[object]) -> None:
    registry.register_factory("box", lambda context: [context])
    first, second = registry.create_instance("box", "u1"), registry.create_instance("box", "u1")
    assert first == second == ["u1"]
    assert first is not second


def test_validators_see_items_and_what_factories_make(registry: UniversalRegistry[object]) -> None:
    registry.add_validation_handler(only_positive)
    with pytest.raises(RejectedItemError, match="not positive"):
        registry.register("bad", -1)
    registry.register_factory("bad-factory", lambda _: -1)
    with pytest.raises(RejectedItemError, match="int is not accepted as 'bad-factory'"):
        registry.create_instance("bad-factory")
    assert registry.list_keys() == ["bad-factory"]


def test_a_validator_that_refuses_what_is_there_is_not_added(
    registry: UniversalRegistry[object],
) -> None:
    registry.register("bad", -1)
    with pytest.raises(RejectedItemError):
        registry.add_validation_handler(only_positive)
    registry.register("worse", -2)
    assert registry.get("worse") == -2


def test_failures_are_counted_truly_and_heal(registry: UniversalRegistry[object]) -> None:
    broken = True

    def factory(_: object) -> int:
        if broken:
            raise OSError("secret-password")
        return 1

    registry.register_factory("f", factory)
    with pytest.raises(FactoryError, match="raised OSError") as failure:
        registry.create_instance("f")
    assert "secret-password" not in str(failure.value)
    assert isinstance(failure.value.__cause__, OSError)
    assert registry.validate_health().problems == {"f": "raised OSError"}
    broken = False
    registry.create_instance("f")
    metrics = registry.get_metrics()
    assert (metrics.created, metrics.failures) == (1, 1)
    assert registry.validate_health().healthy


def test_reads_and_misses_are_counted(registry: UniversalRegistry[object]) -> None:
    registry.register("a", 1)
    registry.get("a")
    registry.get("b", default=None)
    metrics = registry.get_metrics()
    assert (metrics.reads, metrics.misses, metrics.items, metrics.factories) == (1, 1, 1, 0)


def test_factories_run_outside_the_lock(registry: UniversalRegistry[object]) -> None:
    seen: list[object] = []

    def factory(_: object) -> str:
        other = threading.Thread(target=lambda: seen.append(registry.has("f")))
        other.start()
        other.join(timeout=5)
        registry.register("made-meanwhile", 1)
        return "made"

    registry.register_factory("f", factory)
    assert registry.create_instance("f") == "made"
    assert seen == [True]
    assert registry.get("made-meanwhile") == 1


def test_a_frozen_registry_still_reads_and_creates(registry: UniversalRegistry[object]) -> None:
    registry.register("a", 1)
    registry.register_factory("f", lambda _: 2)
    registry.freeze()
    for change in (
        lambda: registry.register("b", 1),
        lambda: registry.remove("a"),
        registry.clear,
        lambda: registry.add_validation_handler(only_positive),
    ):
        with pytest.raises(FrozenRegistryError):
            change()
    assert registry.get("a") == 1
    assert registry.create_instance("f") == 2


def test_tags_list_in_order_and_metadata_cannot_be_changed(
    registry: UniversalRegistry[object],
) -> None:
    registry.register("a", 1, tags=("x",), version=3)
    registry.register_factory("b", lambda _: 1, tags=("x", "y"))
    assert registry.list_by_tag("x") == ["a", "b"]
    assert registry.describe("a").metadata["version"] == 3
    with pytest.raises(TypeError):
        registry.describe("a").metadata["version"] = 4  # type: ignore[index]


def test_removing_frees_the_key(registry: UniversalRegistry[object]) -> None:
    registry.register("a", 1)
    assert registry.remove("a")
    assert not registry.remove("a")
    registry.register_factory("a", lambda _: 2)
    assert registry.create_instance("a") == 2


@pytest.mark.parametrize("key", ["", " ", " a", "a\n", None, 3])
def test_keys_are_non_empty_text(registry: UniversalRegistry[object], key: object) -> None:
    with pytest.raises(InvalidKeyError):
        registry.register(key, 1)  # type: ignore[arg-type]


def test_plugins_load_by_entry_point_and_a_broken_one_harms_no_other(
    registry: UniversalRegistry[object],
) -> None:
    points = [
        EntryPoint("json", "json:dumps", "apex.things"),
        EntryPoint("broken", "no_such_module_here:thing", "apex.things"),
    ]
    outcome = registry.load_entry_points("apex.things", found=points)
    assert outcome["json"] is None
    assert "cannot be imported" in str(outcome["broken"])
    assert registry.list_by_tag("plugin") == ["json"]


def test_eight_threads_lose_no_registration(registry: UniversalRegistry[object]) -> None:
    gate = threading.Barrier(8)

    def work(number: int) -> None:
        gate.wait()
        for i in range(100):
            registry.register(f"{number}-{i}", i)
            registry.get(f"{number}-{i}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(registry) == 800
    assert registry.get_metrics().reads == 800
