"""How the cache by likeness grows: distinct questions, time, memory; and a walk over all pairs.

The baseline compares every question with every other one by its vector, as a vector store would.
"""

import argparse
import resource
import time

import numpy as np

from netra_optimizer import own_pairs, sentence_model
from netra_optimizer.levers.calibration import calibrate
from netra_optimizer.levers.like_hits import Question, distinct_questions, kept_answers

ASKED = (
    "How do I return the {}?",
    "Could you tell me how to return the {}?",
    "Is the {} still in stock?",
    "Please tell me whether the {} is still in stock.",
    "What is the price of the {}?",
    "Where can I have the {} repaired?",
)
THINGS = "kettle lamp sofa phone bicycle carpet mirror camera tent guitar desk fan".split()
BASELINE = 1_000


def questions(count: int) -> list[Question]:
    """Distinct ones; a third has a partner that means the same."""
    made = (
        text.format(f"{thing} {number}")
        for number in range(count)
        for thing in THINGS
        for text in ASKED
    )
    return [Question("", text) for text, _ in zip(made, range(count), strict=False)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    counts = parser.parse_args().counts
    model = sentence_model()
    began = time.perf_counter()
    measured = calibrate(own_pairs(), model)
    print(
        f"calibration on {measured.pairs} pairs: {time.perf_counter() - began:.1f} s, "
        f"false hits {measured.false_hits} of {measured.hits}, bound {measured.bound:.4f}"
    )
    few = [question.text for question in questions(BASELINE)]
    began = time.perf_counter()
    vectors = model.embed(few)
    alike = int((vectors @ vectors.T >= measured.threshold).sum()) - len(few)
    taken = time.perf_counter() - began
    print(f"baseline, every pair of {BASELINE}: {taken:.1f} s, {alike // 2} pairs would hit")
    for count in counts:
        asked = questions(count)
        began = time.perf_counter()
        distinct = distinct_questions(asked, embedder=model, threshold=measured.threshold)
        start = np.arange(count, dtype=np.int64) * 1_000_000
        hits, _ = kept_answers(distinct, start, np.zeros(count, np.int64), ttl_s=86_400)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{count:>8,} questions: {seconds:6.1f} s ({seconds / count * BASELINE / taken:.2f} of "
            f"the baseline a question), {int(hits.sum()):,} hits, "
            f"{distinct.not_compared:,} left uncompared, peak {peak:,.0f} MB"
        )


if __name__ == "__main__":
    main()
