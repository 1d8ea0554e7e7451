"""Bearer secrets."""

import secrets

from netra_auth.sealing import seal, unseal
from netra_auth.secret import digest, new_secret, same_secret


def test_a_secret_has_256_random_bits_and_a_prefix() -> None:
    asked: list[int] = []

    def random_bytes(count: int) -> bytes:
        asked.append(count)
        return secrets.token_bytes(count)

    made = {new_secret("apxk", random_bytes) for _ in range(100)}
    assert asked == [32] * 100
    assert len(made) == 100
    assert all(secret.startswith("apxk_") and len(secret) == 48 for secret in made)


def test_secrets_compare_by_digest_of_any_text() -> None:
    assert same_secret("a", "a")
    assert not same_secret("a", "b")
    assert not same_secret("", "b")
    assert len(digest("\ud800")) == 32


def test_a_sealed_answer_opens_with_its_secret_alone() -> None:
    sealed = seal("the pair", secret="s1", random_bytes=secrets.token_bytes)
    assert unseal(sealed, secret="s1") == "the pair"
    assert unseal(sealed, secret="s2") is None
    assert unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), secret="s1") is None
    assert b"pair" not in sealed
