"""The questions that users bring, asked of a workload whose waste is known."""

from pathlib import Path
from typing import Any

import pytest

from netra_backend.tests.kit import ServerThread, person
from netra_backend.tests.unit.questions import QUESTIONS

pytestmark = pytest.mark.integration
KINDS = {
    "Audit every use of KV or prompt caching": "cache_audit",
    "Was yesterday's upgrade worth it? Roll back where quality hardly moved but cost rose": (
        "change_review"
    ),
}


@pytest.fixture(scope="class")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo workload: seven features, two weeks, one upgrade that was not worth it."""
    from netra_optimizer.generate import demo_scenario, generate_workload, write_workload

    path = tmp_path_factory.mktemp("planted") / "demo.parquet"
    write_workload(generate_workload(0, scenario=demo_scenario()), path, "parquet")
    return path


class TestQuestionsUsersBring:
    async def test_each_gets_a_distinct_answer_with_evidence_from_the_rows(
        self, served: ServerThread, planted: Path, full_counts: bool
    ) -> None:
        questions = list(QUESTIONS) if full_counts else list(QUESTIONS)[3::4]
        async with person(served.url, "questions") as ada:
            assert (await ada.upload(planted))["status"] == "completed"
            reports: dict[str, dict[str, Any]] = {}
            for question in questions:
                reports[question] = (await ada.answer(question))["report"]
        for question, report in reports.items():
            assert report["kind"] == KINDS.get(question, report["kind"])
            assert report["headline"], question
            assert report["figures"], question
            assert all(figure["evidence"] for figure in report["figures"]), question
            assert report["next_steps"], question
            assert report["sufficiency"]["level"] == "sufficient"
        said = [(report["headline"], str(report["constraints"])) for report in reports.values()]
        assert len(set(said)) >= len(said) - 1

    async def test_bounds_are_honoured_by_feature_and_unknown_names_are_said(
        self, served: ServerThread, planted: Path
    ) -> None:
        async with person(served.url, "bounds") as ada:
            await ada.upload(planted)
            run = await ada.answer(
                "Cheaper at equal quality, feature support-chat may take 60 s, feature tagging_x "
                "must stay at 200 ms, feature nightly_tagging must stay at 1 ms"
            )
        outcomes = [constraint["honoured"] for constraint in run["report"]["constraints"]]
        assert outcomes == [True, None, False, True]
        assert "tagging_x" in run["report"]["constraints"][1]["detail"]
        batched = [o for o in run["report"]["opportunities"] if o["lever"] == "batch_tier"]
        assert [o for o in batched if o["scope"].get("feature") == "nightly_tagging"] == []

    async def test_the_upgrade_that_was_not_worth_it_is_the_one_to_roll_back(
        self, served: ServerThread, planted: Path
    ) -> None:
        async with person(served.url, "upgrade") as ada:
            await ada.upload(planted)
            run = await ada.answer(
                "Was yesterday's upgrade worth it? Roll back where quality hardly moved"
            )
        verdicts = {row["feature"]: row["verdict"] for row in run["report"]["tables"][0]["rows"]}
        assert run["report"]["kind"] == "change_review"
        assert verdicts["faq_answers"] == "roll back"
        assert "faq_answers" in run["report"]["headline"]

    async def test_in_other_words_each_bound_still_holds_for_its_own_feature(
        self, served: ServerThread, planted: Path
    ) -> None:
        async with person(served.url, "words") as ada:
            await ada.upload(planted)
            run = await ada.answer(
                "Pay less, answers must stay as good; nightly tagging may become as slow as half "
                "an hour, but support chat never above 60 seconds, and the voice bot under 200 ms"
            )
            goals = await ada.answer("20% cheaper and 2x faster although traffic goes up by 30%")
        assert goals["report"]["headline"].startswith(
            "Cost -20% while traffic grows 30%: reached; 2 times as fast: not reached. "
        )
        assert any(line.startswith("The goals ") for line in goals["report"]["summary"])
        constraints = run["report"]["constraints"]
        assert [constraint["honoured"] for constraint in constraints] == [True, None, True]
        assert "support_chat" in constraints[0]["detail"]
        assert "Whose bound is this?" in constraints[1]["detail"]
        assert "Quality" in constraints[2]["text"]
