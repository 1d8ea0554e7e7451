"""Keys rotate with overlap: no valid token is ever refused for its key."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netra_auth.errors import NotSignedIn, SigningKeyUnusable
from netra_auth.options import AuthOptions
from netra_auth.signing_keys import SigningKeys
from netra_auth.tests.kit import Clock
from netra_auth.tokens import AccessTokens

OPTIONS = AuthOptions(access_ttl_s=600, key_publish_ahead_s=300, key_rotation_s=86_400)


def issue(keys: SigningKeys, clock: Clock) -> str:
    return AccessTokens(OPTIONS, keys, clock).issue(
        user_id="u",
        workspace_id="w",
        role="viewer",
        session_id="s",
        jti="j",
        auth_time=0,
        not_after=clock() + 10**9,
    )[0]


@pytest.fixture
def keys(tmp_path: Path, clock: Clock) -> SigningKeys:
    return SigningKeys(tmp_path, OPTIONS, clock)


def test_keys_are_for_the_owner_of_the_process_alone(keys: SigningKeys, tmp_path: Path) -> None:
    keys.signer()
    mode = stat.S_IMODE((tmp_path / "auth-signing.json").stat().st_mode)
    assert mode == 0o600


def test_a_restart_keeps_the_key(keys: SigningKeys, tmp_path: Path, clock: Clock) -> None:
    assert SigningKeys(tmp_path, OPTIONS, clock).signer()[0] == keys.signer()[0]


def test_a_new_key_is_published_before_it_signs_and_the_old_one_until_its_last_token_ends(
    keys: SigningKeys, clock: Clock
) -> None:
    old = keys.signer()[0]
    new = keys.rotate()
    assert {key["kid"] for key in keys.published()} == {old, new}
    assert keys.signer()[0] == old
    clock.move(300)
    assert keys.signer()[0] == new
    clock.move(599)
    assert {key["kid"] for key in keys.published()} == {old, new}
    clock.move(62)
    assert {key["kid"] for key in keys.published()} == {new}


def test_published_keys_hold_nothing_private(keys: SigningKeys) -> None:
    keys.rotate()
    for key in keys.published():
        assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
        assert (key["kty"], key["crv"], key["alg"], key["use"]) == (
            "OKP",
            "Ed25519",
            "Ed25519",
            "sig",
        )


def test_an_old_key_is_rotated_by_itself(keys: SigningKeys, clock: Clock) -> None:
    old = keys.signer()[0]
    clock.move(86_400)
    assert keys.signer()[0] == old
    clock.move(300)
    assert keys.signer()[0] != old


def test_a_leaked_key_is_dropped_at_once(keys: SigningKeys, clock: Clock) -> None:
    token = issue(keys, clock)
    new = keys.rotate(at_once=True)
    assert [key["kid"] for key in keys.published()] == [new]
    assert keys.signer()[0] == new
    with pytest.raises(NotSignedIn):
        AccessTokens(OPTIONS, keys, clock).verify(token)


def test_a_rotation_by_another_process_is_seen(
    keys: SigningKeys, tmp_path: Path, clock: Clock
) -> None:
    keys.signer()
    new = SigningKeys(tmp_path, OPTIONS, clock).rotate()
    assert new in {key["kid"] for key in keys.published()}


def test_two_rotations_at_once_make_one_new_key(keys: SigningKeys, tmp_path: Path, clock: Clock):
    other = SigningKeys(tmp_path, OPTIONS, clock)
    keys.signer()
    assert keys.rotate() == other.rotate()


def test_a_broken_file_is_a_clear_error(keys: SigningKeys, tmp_path: Path) -> None:
    for content in (b"", b"{", b'{"keys": []}', b'{"keys": [{"kid": 1}]}'):
        (tmp_path / "auth-signing.json").write_bytes(content)
        with pytest.raises(SigningKeyUnusable):
            keys.signer()


def test_hs256_cannot_be_rotated_by_file(tmp_path: Path, clock: Clock) -> None:
    options = replace(OPTIONS, algorithm="HS256", jwt_secret_key="x1" * 20)
    with pytest.raises(SigningKeyUnusable, match="JWT_SECRET_KEY"):
        SigningKeys(tmp_path, options, clock).rotate()


@given(steps=st.lists(st.one_of(st.just("rotate"), st.floats(1, 5_000)), max_size=25))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_valid_token_is_refused_however_keys_rotate(
    steps: list[str | float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = Clock()
    keys = SigningKeys(tmp_path_factory.mktemp("keys"), OPTIONS, clock)
    tokens = AccessTokens(OPTIONS, keys, clock)
    alive: list[tuple[float, str]] = []
    for step in steps:
        alive.append((clock.now + 599, issue(keys, clock)))
        if isinstance(step, float):
            clock.move(step)
        else:
            keys.rotate()
        for ends, token in alive:
            if clock.now < ends:
                assert tokens.verify(token).sub == "u"
