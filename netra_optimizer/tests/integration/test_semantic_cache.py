"""A cache by likeness, held to a budget of false hits measured on labelled pairs."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from netra_optimizer import (
    AnalysisOptions,
    FeatureRule,
    HashedWords,
    LabelledPair,
    LeverRegistry,
    Opportunity,
    SemanticCacheLever,
    analyze,
    calibrate,
    own_pairs,
    read_pairs,
    sentence_model,
)
from netra_optimizer.errors import InputError
from netra_optimizer.levers.calibration import upper_bound
from netra_optimizer.levers.embedding import SentenceModel, normalized
from netra_optimizer.levers.labelled_pairs import own_meanings
from netra_optimizer.levers.like_hits import (
    Distinct,
    Question,
    distinct_questions,
    kept_answers,
)
from netra_optimizer.levers.wording import wording
from netra_optimizer.pricing import PriceTable
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord

pytestmark = pytest.mark.integration
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
THINGS = "kettle lamp sofa phone bicycle carpet mirror camera tent guitar desk fan".split()
ASKED = ("How do I return the {}?", "Could you tell me how I can return the {}?")


class Remembering:
    """The model; a text that came before is not computed again."""

    measures_meaning = True

    def __init__(self, model: SentenceModel) -> None:
        self.name = model.name
        self._model = model
        self._known: dict[str, np.ndarray] = {}

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        fresh = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known |= dict(zip(fresh, self._model.embed(fresh), strict=True))
        return np.array([self._known[text] for text in texts]).reshape(len(texts), 384)


@pytest.fixture(scope="module")
def model() -> Remembering:
    pytest.importorskip("onnxruntime")
    return Remembering(sentence_model())


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


def test_a_normalized_question_keeps_what_matters() -> None:
    assert normalized("  Where IS\tmy parcel?! ") == normalized("where is my parcel")
    assert normalized("Where is my parcel 12?") != normalized("Where is my parcel 13?")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I reset my password?", "Could you please tell me how to reset my password?"),
        ("What's the price of the lamp?", "tell me the price of the lamp"),
        ("On Friday, is the shop open?", "Is the shop open on Friday?"),
        ("I'd like to return the lamp, how does that work?", "How can I return the lamp?"),
        ("Which browsers do you support?", "What browsers do you support?"),
    ],
)
def test_manners_and_the_order_of_phrases_do_not_change_the_wording(one: str, other: str) -> None:
    assert wording(one) == wording(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is order 1234?", "Where is order 1243?"),
        ("Delete users older than 30 days", "Delete users younger than 30 days"),
        ("Delete users older than 30 days", "Delete users older than 3 days"),
        ("A flight from Berlin to Oslo", "A flight from Oslo to Berlin"),
        ("Convert euros to dollars", "Convert dollars to euros"),
        ("Does smoking cause cancer?", "Does cancer cause smoking?"),
        ("Is Anna faster than Boris?", "Is Boris faster than Anna?"),
        ("Can I pay in cash?", "Can I not pay in cash?"),
        ("I can log in", "I can't log in"),
        ("Turn the light on", "Turn the light off"),
        ("Is it safe with food?", "Is it safe without food?"),
        ("When did it open?", "When does it open?"),
        ("What is my name?", "What is your name?"),
        ("Can I call you?", "Can you call me?"),
        ("Do I need a visa?", "Do I have a visa?"),
        ("Is the shop open on 5 May?", "Is the shop open on 5 March?"),
        ("Remind me to call Anna", "Remind Anna to call me"),
        ("What is 3 minus 5?", "What is 5 minus 3?"),
        ("Can Bob approve Alice's request?", "Can Alice approve Bob's request?"),
        ("Return a used lamp", "Return a lamp"),
        ("Which users can edit posts?", "Which posts can users edit?"),
        ("Book for 2 adults and 3 children", "Book for 3 adults and 2 children"),
        ("Convert 5 kg to lb", "Convert 5 lb to kg"),
        ("Tell Anna that Bob called", "Tell Bob that Anna called"),
        ("send money to Bob from Anna", "send money to Anna from Bob"),
        ("All users except admins", "All admins except users"),
        ("What did I say about Bob?", "What did Bob say about me?"),
        ("Is 5 > 3?", "Is 3 > 5?"),
        ("Version 1.2", "Version 2.1"),
        ("It costs $5", "It costs €5"),
        ("Is he married?", "Is she married?"),
        ("Was kostet der Flug von Rom nach Oslo?", "Was kostet der Flug von Oslo nach Rom?"),
    ],
)
def test_numbers_names_directions_and_negations_change_the_wording(one: str, other: str) -> None:
    assert wording(one) != wording(other)


def test_no_two_meanings_of_the_labelled_questions_share_a_wording() -> None:
    slots, meanings = own_meanings()
    said: dict[object, set[str]] = defaultdict(set)
    for filling in range(5):
        values = {name: texts[filling % len(texts)] for name, texts in slots.items()}
        for meaning in meanings:
            for line in meaning.wordings:
                said[wording(line.format(**values))].add(meaning.name.format(**values))
            for line in meaning.others:
                said[wording(line.format(**values))].add(line.format(**values))
    assert [meant for meant in said.values() if len(meant) > 1] == []
    assert len(meanings) == 152


def test_the_model_sees_meaning_and_a_text_s_vector_is_its_own(model: Remembering) -> None:
    texts = ["How do I end my subscription?", "How do I cancel my subscription?", "Bake a cake."]
    vectors = model.embed(texts)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.8 > vectors[0] @ vectors[2]
    assert np.allclose(sentence_model().embed(texts[:1])[0], vectors[0], atol=1e-5)


def test_our_own_pairs_prove_a_threshold_within_one_percent(model: Remembering) -> None:
    measured = calibrate(own_pairs(), model)
    assert measured.proven
    assert measured.false_hits == 0
    assert measured.hits >= 299
    assert measured.bound == pytest.approx(1 - 0.05 ** (1 / measured.hits))
    assert measured.bound <= 0.01
    assert measured.confusion_bound < 0.004
    assert measured.pairs > 3000
    assert measured.found_share > 0.3


def test_the_proof_rests_on_pairs_that_had_no_part_in_the_choice(model: Remembering) -> None:
    honest = calibrate(own_pairs(), model)
    names = sorted({pair.group for pair in own_pairs()})
    for half in (set(names[::2]), set(names[1::2])):
        # One half of the meanings mislabelled: all their hits are false.
        mixed = [replace(p, same=p.same and p.group not in half) for p in own_pairs()]
        measured = calibrate(mixed, model)
        assert not measured.proven
        assert measured.pairs_needed is None or measured.hits == 0
    assert honest.proving_pairs < honest.pairs


def test_a_tighter_budget_takes_more_pairs_and_says_how_many(model: Remembering) -> None:
    measured = calibrate(own_pairs(), model, budget=0.002)
    assert not measured.proven
    assert measured.pairs_needed is not None
    # 1,497 hits without a false one prove 0.2 %.
    assert measured.pairs_needed == -(-1497 * measured.pairs // measured.hits)


def misleading(count: int) -> list[LabelledPair]:
    """Pairs that are worded alike and are labelled as different all the same."""
    return [
        LabelledPair(text.format(f"{thing} {at}"), ASKED[1].format(f"{thing} {at}"), at % 20 != 0)
        for at in range(count)
        for thing in THINGS
        for text in ASKED[:1]
    ]


def test_false_hits_beyond_the_budget_are_never_proven(model: Remembering) -> None:
    measured = calibrate(misleading(20), model)
    assert not measured.proven
    if measured.hits:
        assert measured.pairs_needed is None


def test_the_stand_in_proves_nothing() -> None:
    assert not calibrate(own_pairs() * 3, HashedWords()).proven


def test_the_bound_is_clopper_and_pearson_s() -> None:
    assert upper_bound(0, 299) == pytest.approx(1 - 0.05 ** (1 / 299))
    assert upper_bound(0, 0) == 1.0
    assert upper_bound(3, 3) == 1.0


def test_a_kept_answer_serves_from_its_end_until_its_time_is_over() -> None:
    asked = [Question("", text) for text in ("Where is it?", "where is it", "WHERE IS IT?", "x?")]
    distinct = distinct_questions(asked)
    assert distinct.of_call.tolist() == [0, 0, 0, 1]
    start = np.array([0, 10, 90, 95]) * 1_000_000
    hits, served = kept_answers(distinct, start, np.full(4, 5_000_000), ttl_s=60)
    assert (hits.tolist(), served.tolist()) == ([False, True, False, False], [-1, 0, -1, -1])
    soon, _ = kept_answers(distinct, start // 10, np.full(4, 5_000_000), ttl_s=60)
    assert soon.tolist() == [False, False, True, False]  # the answer is not there at 1 s


def test_hits_are_those_of_a_plain_walk() -> None:
    chance = np.random.default_rng(4)
    near = {0: [1, 2], 1: [0], 2: [0]}
    for _ in range(20):
        numbers = chance.integers(0, 5, 60)
        start = np.sort(chance.integers(0, 400, 60)) * 1_000_000
        taken = chance.integers(0, 9, 60) * 1_000_000
        distinct = Distinct(numbers, ("",) * 5, near, 0)
        found, _ = kept_answers(distinct, start, taken, ttl_s=50)
        assert found.tolist() == plain_walk(numbers.tolist(), start, taken, near, 50_000_000)


def plain_walk(
    numbers: Sequence[int],
    start: np.ndarray,
    taken: np.ndarray,
    near: dict[int, list[int]],
    ttl: int,
) -> list[bool]:
    kept: list[tuple[int, int]] = []  # (number, when ready)
    found: list[bool] = []
    for number, now, lasts in zip(numbers, start.tolist(), taken.tolist(), strict=True):
        fits = {number, *near.get(number, [])}
        hit = any(n in fits and ready <= now <= ready + ttl for n, ready in kept)
        if not hit and not any(n == number and now <= ready + ttl for n, ready in kept):
            kept.append((number, now + lasts))
        found.append(hit)
    return found


def test_questions_in_other_contexts_never_meet(model: Remembering) -> None:
    asked = [Question(context, ASKED[at].format("lamp")) for at, context in enumerate("ab")]
    apart = distinct_questions(asked, embedder=model, threshold=0.5)
    together = [replace(question, context="a") for question in asked]
    assert apart.neighbours == {}
    assert distinct_questions(together, embedder=model, threshold=0.5).neighbours == {
        0: [1],
        1: [0],
    }


def test_the_work_is_bounded_and_what_was_left_is_said(model: Remembering) -> None:
    asked = [Question("", text.format(thing)) for thing in THINGS for text in ASKED]
    bounded = distinct_questions(asked, embedder=model, threshold=0.5, limit=6)
    assert len(bounded.neighbours) == 6
    assert bounded.not_compared == len(asked) - 6


def asked_twice(
    prices: PriceTable, temperature: str = "0"
) -> tuple[UsageFrame, dict[str, Question]]:
    """Twelve things, each asked about five times in two wordings; a call costs 0.003 USD."""
    questions: dict[str, Question] = {}
    records: list[UsageRecord] = []
    for at in range(60):
        text = ASKED[at // 12 % 2].format(THINGS[at % 12])
        questions[f"hash of {text}"] = Question("", text)
        records.append(
            UsageRecord(
                id=f"q{at:03d}",
                start=NOON + timedelta(minutes=at),
                model="claude-sonnet-4-5",
                provider="anthropic",
                feature="shop",
                input_uncached=500,
                output_text=100,
                prompt_hash=f"hash of {text}",
                params=f'{{"temperature":{temperature}}}',
            )
        )
    table = pa.Table.from_batches([batch_of_records(records)])
    return UsageFrame.from_arrow(table, prices), questions


def semantic(
    prices: PriceTable, lever: SemanticCacheLever, frame: UsageFrame, **rule: bool
) -> Opportunity | None:
    options = AnalysisOptions(features={"shop": FeatureRule(**rule)}) if rule else None
    found = analyze(frame, prices=prices, levers=LeverRegistry((lever,)), options=options)
    return next((o for o in found.opportunities if "semantic" in o.id), None)


def test_it_counts_within_the_budget_and_shows_what_it_rests_on(
    prices: PriceTable, model: Remembering
) -> None:
    frame, questions = asked_twice(prices)
    found = semantic(prices, SemanticCacheLever(questions, embedder=model), frame)
    assert found is not None
    assert found.status == "verified"
    assert found.savings_usd.expected == pytest.approx(48 * 0.003)
    assert found.savings_usd.low < found.savings_usd.expected
    assert found.evidence["hits"] == 48
    assert found.evidence["beyond_equal_questions"] == 12
    assert found.evidence["false_hit_bound"] <= found.evidence["false_hit_budget"] == 0.01
    assert found.evidence["examples"][0] == {
        "asked": "Could you tell me how I can return the kettle?",
        "gets_the_answer_to": "How do I return the kettle?",
    }


def test_over_the_budget_it_is_to_be_evaluated_and_never_counted(
    prices: PriceTable, model: Remembering
) -> None:
    frame, questions = asked_twice(prices)
    few = SemanticCacheLever(questions, own_pairs()[:200], embedder=model)
    options = analyze(frame, prices=prices, levers=LeverRegistry((few,)))
    found = next(o for o in options.opportunities if "semantic" in o.id)
    assert found.status == "needs_evaluation"
    assert options.combined.savings_usd.expected == 0.0
    assert found.evidence["pairs_needed"] > 200
    assert any("it takes about" in said for said in found.assumptions)


def test_without_a_model_the_stand_in_is_named_and_not_counted(prices: PriceTable) -> None:
    frame, questions = asked_twice(prices)
    found = semantic(prices, SemanticCacheLever(questions, embedder=HashedWords()), frame)
    assert found is not None
    assert (found.status, found.evidence["embedding_model"]) == (
        "needs_evaluation",
        "hashed words (no model)",
    )


def test_where_a_repeat_is_not_allowed_nothing_is_counted(
    prices: PriceTable, model: Remembering
) -> None:
    frame, questions = asked_twice(prices, temperature="0.7")
    lever = SemanticCacheLever(questions, embedder=model)
    found = semantic(prices, lever, frame)
    assert found is not None
    assert found.status == "needs_evaluation"
    assert semantic(prices, lever, frame, repeat_allowed=False) is None
    assert semantic(prices, lever, frame, keep_quality=True) is None
    allowed = semantic(prices, lever, frame, repeat_allowed=True)
    assert allowed is not None
    assert allowed.status == "verified"


def test_pairs_are_read_from_a_file_of_one_s_own(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("question1,question2,is_duplicate\na,b,1\nb,c,0\nd,e,true\n")
    pairs = read_pairs(path)
    assert [(p.one, p.other, p.same) for p in pairs] == [
        ("a", "b", True), ("b", "c", False), ("d", "e", True),
    ]  # fmt: skip
    assert pairs[0].group == pairs[1].group != pairs[2].group


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("one,other\na,b\n", "not two texts and a label"),
        ("one,other,same\na,b,perhaps\n", "has the label 'perhaps'"),
        ("one,other,same\n", "no pairs"),
    ],
)
def test_pairs_that_cannot_be_used_are_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_pairs(path)
