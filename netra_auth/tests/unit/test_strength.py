"""The small dictionaries of passwords say what the library's large ones say."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from netra_auth import strength as strengths
from netra_auth.strength import RankedWords, strength

PASSWORDS = [
    "correct horse battery staple",
    "P@ssw0rd",
    "drowssap",
    "adalovelace1815",
    "smithjohnson",
    "j7#kQ2!pwZ",
    "the matrix 1999",
    "qazwsx",
    "vier Wörter hier",
    "x" * 72,
]


@pytest.fixture(scope="module")
def library() -> Any:
    """The library's own lists, as dicts by name, and its matching and scoring."""
    strength("load the library")
    lists = import_module("zxcvbn.frequency_lists").FREQUENCY_LISTS
    matching = import_module("zxcvbn.matching")
    return matching, {name: matching.build_ranked_dict(words) for name, words in lists.items()}


def test_every_word_of_every_list_is_at_its_place(library: Any) -> None:
    matching, large = library
    small = matching.RANKED_DICTIONARIES
    assert set(large) == set(small) - {"user_inputs"}
    for name, words in large.items():
        assert isinstance(small[name], RankedWords)
        assert {word: small[name][word] for word in words} == words


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_is_scored_as_with_the_librarys_own_dictionaries(
    library: Any, password: str
) -> None:
    matching, large = library
    scoring, times = import_module("zxcvbn.scoring"), import_module("zxcvbn.time_estimates")
    about = {"user_inputs": matching.build_ranked_dict(["ada", "lovelace"])}
    matches = matching.omnimatch(password, {**large, **about})
    guesses = scoring.most_guessable_match_sequence(password, matches)["guesses"]
    wanted = times.estimate_attack_times(guesses)["score"]
    assert strength(password, about=("ada", "lovelace")).score == wanted


def test_what_is_no_word_is_in_no_list() -> None:
    words = RankedWords(["one", "two", "three"])
    assert [word in words for word in ("one", "two", "three")] == [True] * 3
    assert not any(f"{number}" in words for number in range(10_000))
    with pytest.raises(KeyError):
        words["four"]


def test_more_words_than_places_are_refused() -> None:
    with pytest.raises(ValueError, match="65536 words"):
        RankedWords(f"{number}" for number in range(1 << 16))


def test_lists_written_otherwise_than_expected_are_taken_as_the_library_has_them(
    library: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    matching, large = library
    lists = tmp_path / "frequency_lists.py"
    lists.write_text("FREQUENCY_LISTS = load()")
    read = strengths._frequency_lists
    with monkeypatch.context() as patched:
        patched.setattr(strengths, "_frequency_lists", lambda _: read(tmp_path))
        strengths._library.__wrapped__()
    as_it_comes = dict(matching.RANKED_DICTIONARIES)
    strengths._library.__wrapped__()
    assert {name: as_it_comes[name] for name in large} == large
    assert isinstance(matching.RANKED_DICTIONARIES["surnames"], RankedWords)
