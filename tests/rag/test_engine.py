"""The query engine: every status, every form, and every step down said aloud."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.prompts import PromptTemplate
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters

from indexes import Index
from indexes.errors import SettingsError
from rag import Settings, build_query_engine, build_retriever
from rag.answer.refusal.signals import RefusalModel
from rag.llms import with_max_tokens

LENS = "When was the lens of the lamp cut?"


@pytest.fixture
def engine(index: Index, settings: Settings) -> Any:
    def build(llm: Any = None, **options: Any) -> Any:
        chosen = options.pop("settings", settings)
        if llm is None:
            chosen = chosen.model_copy(update={"llm": chosen.llm.model_copy(update={"provider": "none"})})
        return build_query_engine(index, llm=llm, settings=chosen, **options)

    return build


def test_a_cited_answer(engine: Any, scripted: Any) -> None:
    llm = scripted("The lens was cut in 1887 [1].")
    response = engine(llm).query(LENS)
    assert response.response == "The lens was cut in 1887 [1]."
    assert response.metadata["status"] == "answered"
    (citation,) = response.metadata["citations"]
    told = {"number", "source", "heading", "page", "text", "matched", "doc_id", "sentence_id", "start", "end"}
    assert set(citation) == told
    assert citation["text"] == "Its lens was cut in 1887 by the Barbier workshop."
    assert citation["heading"] == "Lighthouse handbook > The lamp"
    assert citation["source"].endswith("lighthouse.md")
    assert citation["matched"] is False
    assert "Its lens was cut in 1887" in llm.prompts[0]
    assert llm.prompts[0].index("passages") < llm.prompts[0].index(LENS)


def test_a_citation_leads_back_into_its_document(index: Index, engine: Any, scripted: Any) -> None:
    (citation,) = engine(scripted("The lens was cut in 1887 [1].")).query(LENS).metadata["citations"]
    assert citation["end"] - citation["start"] == len(citation["text"])  # in the text that was read from the file
    document = index.document(citation["doc_id"])
    assert [record.position for record in document] == list(range(len(document)))
    window = index.window(citation["sentence_id"], 1)
    assert window[1].id == citation["sentence_id"]
    assert (window[1].start, window[1].end) == (citation["start"], citation["end"])
    assert window == document[window[0].position : window[0].position + 3]
    assert index.document("no document") == index.window("no id") == []


def test_every_note_has_its_kind(engine: Any, scripted: Any) -> None:
    llm = scripted("The lens was cut in 1887 [1][9]. Elephants swim well.")
    metadata = engine(llm).query(LENS).metadata
    assert metadata["note_kinds"] == ["citation_removed", "unsupported"]
    assert len(metadata["notes"]) == 2 and metadata["trace"]["note_kinds"] == metadata["note_kinds"]
    assert engine(hyde="on").query(LENS).metadata["note_kinds"] == ["hyde_failed", "no_llm"]
    assert engine(scripted(ConnectionError("refused"))).query(LENS).metadata["note_kinds"] == ["llm_failed"]


def test_an_invented_number_is_removed_and_reported(engine: Any, scripted: Any) -> None:
    response = engine(scripted("The lens was cut in 1887 [1][9].")).query(LENS)
    assert "[9]" not in response.response
    assert any("[9]" in note for note in response.metadata["notes"])


def test_a_missing_citation_is_matched_and_an_unfounded_sentence_marked(engine: Any, scripted: Any) -> None:
    response = engine(scripted("The lens was cut in 1887 by the Barbier workshop. Elephants swim well.")).query(LENS)
    assert [s["status"] for s in response.metadata["sentences"]] == ["matched", "unsupported"]
    assert response.metadata["citations"][0]["matched"] is True
    assert any("not supported by any passage" in note for note in response.metadata["notes"])


def test_an_answer_that_nothing_supports_is_not_given(engine: Any, scripted: Any) -> None:
    response = engine(scripted("Elephants swim well. Paris is in Texas.")).query(LENS)
    assert response.metadata["status"] == "extractive"
    assert "1887" in response.response
    assert any("no passage supports" in note for note in response.metadata["notes"])


def test_a_looping_model_is_stopped(engine: Any, scripted: Any) -> None:
    loop = "The lens was cut in 1887 by the Barbier workshop [1]. " * 5
    response = engine(scripted(loop)).query(LENS)
    assert response.response == "The lens was cut in 1887 by the Barbier workshop [1]."
    assert any("repeat itself" in note for note in response.metadata["notes"])
    stream = engine(scripted(loop)).stream(LENS)
    assert len("".join(stream.tokens())) < len(loop)
    assert stream.response.response == response.response


def test_not_in_these_documents_by_the_model(engine: Any, scripted: Any) -> None:
    response = engine(scripted("The answer is not in these documents.")).query("Who won the chess final?")
    assert (response.metadata["status"], response.metadata["citations"]) == ("not_found", [])


def test_not_in_these_documents_by_a_weak_retrieval(engine: Any, scripted: Any) -> None:
    llm = scripted("Should not be asked.")
    response = engine(llm, abstain_below=1.5).query("Who won the chess final?")
    assert response.metadata["status"] == "not_found"
    assert llm.prompts == []


def test_without_an_llm_the_answer_is_the_documents_own_sentences(engine: Any) -> None:
    response = engine().query("How warm is the pan for the tea?")
    assert response.metadata["status"] == "extractive"
    assert any("no LLM is configured" in note for note in response.metadata["notes"])
    chinese = engine().query("杀青的锅温是多少度？")
    assert "二百二十度" in chinese.response
    assert chinese.metadata["citations"][0]["heading"] == "茶园手册 > 制作"


def test_a_model_that_does_not_read_the_language_is_not_asked(engine: Any, scripted: Any, settings: Settings) -> None:
    english = settings.model_copy(
        update={"llm": settings.llm.model_copy(update={"model": "fake", "languages": ("en",)})}
    )
    llm = scripted("never")
    response = engine(llm, settings=english).query("春茶什么时候采摘？")
    assert response.metadata["status"] == "extractive"
    assert "清明前" in response.response
    assert any("只能读英文" in note for note in response.metadata["notes"])
    assert llm.prompts == []


def test_an_unreachable_llm_gives_the_extractive_answer_with_the_reason(engine: Any, scripted: Any) -> None:
    response = engine(scripted(ConnectionError("refused"))).query(LENS)
    assert response.metadata["status"] == "extractive"
    assert "1887" in response.response
    assert any("documents' own sentences, since" in note for note in response.metadata["notes"])


def test_streaming_gives_the_same_answer_and_drops_invented_numbers(engine: Any, scripted: Any) -> None:
    text = "The lens was cut in 1887 [1][9]. The boat comes on Tuesday."
    stream = engine(scripted(text)).stream(LENS)
    shown = "".join(stream.tokens())
    whole = engine(scripted(text)).query(LENS)
    assert "[9]" not in shown
    assert shown.startswith("The lens was cut in 1887 [1].")
    assert stream.response.response == whole.response
    assert stream.metadata["citations"] == whole.metadata["citations"]


def test_a_stream_that_breaks_ends_with_the_documents_own_sentences(engine: Any, scripted: Any) -> None:
    stream = engine(
        scripted(
            "The lens was cut in 1887 by the Barbier workshop [1]. The lamp is lit forty minutes before sunset<BREAK>"
        )
    ).stream(LENS)
    shown = "".join(stream.tokens())
    assert shown.startswith("The lens was cut in 1887 by the Barbier workshop [1].\n\n")
    assert "1887" in shown
    assert stream.metadata["status"] == "extractive"
    assert any("since" in note for note in stream.metadata["notes"])


def test_the_llamaindex_streaming_form(engine: Any, scripted: Any) -> None:
    response = engine(scripted("Cut in 1887 [1]."), streaming=True).query(LENS)
    assert "".join(response.response_gen) == "Cut in 1887 [1]."
    assert response.metadata["status"] == "answered"
    assert response.source_nodes


def test_async(engine: Any, scripted: Any) -> None:
    response = asyncio.run(engine(scripted("Cut in 1887 [1].")).aquery(LENS))
    assert response.metadata["status"] == "answered"

    async def streamed() -> str:
        answer = await engine(scripted("Cut in 1887 [1]."), streaming=True).aquery(LENS)
        return "".join([piece async for piece in answer.response_gen])

    assert asyncio.run(streamed()) == "Cut in 1887 [1]."


@pytest.mark.parametrize("mode", ["refine", "tree_summarize", "simple_summarize", "accumulate", "compact_accumulate"])
def test_other_response_modes(engine: Any, scripted: Any, mode: str) -> None:
    llm = scripted(*["Cut in 1887 [1]."] * 8)
    response = engine(llm, response_mode=mode).query(LENS)
    assert "1887" in response.response
    assert response.metadata["citations"]


def test_every_response_carries_its_trace(engine: Any, scripted: Any, index: Index, settings: Settings) -> None:
    trace = engine(scripted("Cut in 1887 [1].")).query(LENS).metadata["trace"]
    assert {"encode", "search", "fuse", "windows", "prompt", "answer", "cite"} <= set(trace["timings_ms"])
    best = trace["candidates"][0]
    assert best["text"] == "Its lens was cut in 1887 by the Barbier workshop."
    assert best["fused_score"] is not None
    for leg in ("dense", "sparse"):  # its ranks are the places that each leg alone gives it
        alone = build_retriever(index, settings=settings, fusion=leg, rerank=False, window=0).search(LENS).candidates
        assert alone[best[f"{leg}_rank"] - 1].record.text == best["text"]


def test_the_budget_is_never_overflowed_silently(engine: Any, scripted: Any, settings: Settings) -> None:
    llm = settings.llm.model_copy(update={"context_window": 540, "max_tokens": 150})
    small = settings.model_copy(update={"llm": llm})
    response = engine(scripted("Cut in 1887 [1]."), settings=small).query(LENS)
    assert any("context window" in note for note in response.metadata["notes"])


def test_hyde_feeds_the_dense_leg_and_is_in_the_trace(index: Index, settings: Settings, scripted: Any) -> None:
    llm = scripted("The lens of the lighthouse lamp was cut by a French workshop in the nineteenth century.")
    result = build_retriever(index, settings=settings, llm=llm, hyde="on").search(LENS)
    assert result.trace.hypothetical == [
        "The lens of the lighthouse lamp was cut by a French workshop in the nineteenth century."
    ]
    plain = build_retriever(index, settings=settings).search(LENS)
    assert {c.id: c.sparse_score for c in result.candidates} == {c.id: c.sparse_score for c in plain.candidates}
    assert {c.id: c.dense_score for c in result.candidates} != {c.id: c.dense_score for c in plain.candidates}


def test_hyde_goes_on_without_its_llm_and_says_so(index: Index, settings: Settings, scripted: Any) -> None:
    result = build_retriever(index, settings=settings, llm=scripted(ConnectionError("x")), hyde="on").search(LENS)
    assert result.candidates
    assert any("HyDE failed" in note for note in result.trace.notes)


def test_hyde_auto_widens_only_a_weak_retrieval(index: Index, settings: Settings, scripted: Any) -> None:
    llm = scripted("unused")
    result = build_retriever(index, settings=settings, llm=llm, hyde="auto").search(LENS)
    assert (llm.prompts, result.trace.hypothetical) == ([], [])
    weak = settings.model_copy(update={"hyde": settings.hyde.model_copy(update={"mode": "auto", "weak_below": 0.999})})
    result = build_retriever(index, settings=weak, llm=scripted("A made-up passage."), hyde="auto").search(LENS)
    assert result.trace.hypothetical == ["A made-up passage."]
    assert any("best dense cosine" in note for note in result.trace.notes)


def test_filters_hold_on_both_legs(index: Index, settings: Settings) -> None:
    where = MetadataFilters(filters=[MetadataFilter(key="title", value="茶园手册", operator=FilterOperator.EQ)])
    result = build_retriever(index, settings=settings).search("lamp", where)
    assert {candidate.record.source.rsplit("/", 1)[-1] for candidate in result.candidates} == {"tea.md"}


def test_windows_never_leave_their_section(index: Index, settings: Settings) -> None:
    result = build_retriever(index, settings=settings, window=50).search("When does the supply boat come?")
    best = result.candidates[0]
    assert best.window is not None
    assert best.window.startswith("The supply boat")
    assert "lamp" not in best.window


def test_routing_answers_small_talk_without_documents(engine: Any, scripted: Any) -> None:
    llm = scripted("Hello! Ask me about your documents.")
    response = engine(llm, routing=True).query("hello")
    assert response.response.startswith("Hello!")
    assert response.metadata["citations"] == []
    assert any("without the documents" in note for note in response.metadata["notes"])


def test_a_foreign_postprocessor_reranks(index: Index, settings: Settings) -> None:
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import NodeWithScore, QueryBundle

    class Shortest(BaseNodePostprocessor):
        def _postprocess_nodes(
            self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
        ) -> list[NodeWithScore]:
            ordered = sorted(nodes, key=lambda node: len(node.node.get_content()))
            return [NodeWithScore(node=node.node, score=1.0 / (i + 1)) for i, node in enumerate(ordered)]

    result = build_retriever(index, settings=settings, rerank=Shortest(), window=0).search(LENS)
    lengths = [len(candidate.record.text) for candidate in result.candidates]
    assert lengths == sorted(lengths)
    assert result.candidates[0].rerank_score == 1.0


def test_unknown_options_are_refused(index: Index, settings: Settings) -> None:
    with pytest.raises(SettingsError, match="topk"):
        build_query_engine(index, settings=settings, topk=3)
    with pytest.raises(SettingsError, match="fusion"):
        build_query_engine(index, settings=settings, fusion="sum")


def test_a_real_model_answers_in_english(index: Index, settings: Settings, smollm2: Any) -> None:
    engine = build_query_engine(index, settings=settings, llm=with_max_tokens(smollm2, 8), top_n=1)
    response = engine.query("How large are the fresh water tanks?")
    assert response.metadata["status"] in ("answered", "extractive", "not_found")
    trace = response.metadata["trace"]
    assert trace["llm"]["completion_tokens"] > 0 and trace["refusal"] == {}  # nothing is fitted for this model
    assert any("900 litres" in candidate["text"] for candidate in trace["candidates"][:3])


def test_signals_refuse_or_let_stand_and_the_trace_says_why(
    index: Index, settings: Settings, tmp_path: Path, smollm2: Any
) -> None:
    """The same model and question: fitted signals that always say no, and ones that never do, streamed and whole."""
    llm = with_max_tokens(smollm2, 8)
    for bias, refused in ((9.0, True), (-9.0, False)):
        file = tmp_path / f"{bias}.json"
        fitted = RefusalModel(weights={"logprob": 0.0}, means={"logprob": -0.5}, bias=bias, bound=0.5)
        file.write_text(json.dumps(fitted.as_dict()), encoding="utf-8")
        answer = settings.answer.model_copy(update={"refusal_file": file, "context_tokens": 64})
        engine = build_query_engine(index, settings=settings.model_copy(update={"answer": answer}), llm=llm, top_n=1)
        stream = engine.stream("How large are the fresh water tanks?")
        shown = "".join(stream.tokens())
        trace = stream.metadata["trace"]
        assert trace["refusal"]["refused"] is refused and trace["refusal"]["decided_by"] == "logprob"
        assert trace["refusal"]["signals"]["logprob"] < 0
        assert ("not in these documents" in shown) is refused
        assert (stream.metadata["status"] == "not_found") is refused


def test_prompts_of_an_engine_are_llama_indexs(index: Index, settings: Settings, scripted: Any) -> None:
    llm = scripted("It holds 900 litres. [1]")
    template = PromptTemplate("Sources: {context_str}\nAsked: {query_str}")
    engine = build_query_engine(index, settings=settings, llm=llm, text_qa_template=template)
    assert engine.get_prompts()["text_qa_template_zh"].get_template() == template.get_template()
    assert "{existing_answer}" in str(engine.get_prompts()["refine_template_en"])
    engine.update_prompts({"text_qa_template_en": PromptTemplate("MINE {context_str} {query_str}")})
    engine.query("How large are the fresh water tanks?")
    assert "MINE [" in llm.prompts[-1] and "Sources:" not in llm.prompts[-1]


def test_a_wrong_sentence_is_marked_dropped_or_replaced(engine: Any, scripted: Any) -> None:
    text = "The lens was cut in 1887 by the Barbier workshop [1]. The lens was cut in 1923 [1]. It was cut in 1887 [1]."
    marked = engine(scripted(text)).query(LENS)
    assert [s["status"] for s in marked.metadata["sentences"]] == ["cited", "contradicted", "cited"]
    assert [s["decided_by"] for s in marked.metadata["sentences"]][1] == "numbers"
    assert "1923 [1]. [contradicted]" in marked.response
    assert any("another number" in note for note in marked.metadata["notes"])
    dropped = engine(scripted(text), unsupported="drop").query(LENS)
    assert "1923" not in dropped.response
    assert dropped.metadata["status"] == "answered"
    replaced = engine(scripted(text), unsupported="extract").query(LENS)
    assert replaced.metadata["status"] == "extractive"
    assert replaced.metadata["rejected"][1]["status"] == "contradicted"
    stream = engine(scripted(text), unsupported="drop").stream(LENS)
    assert "".join(stream.tokens()).strip() == dropped.response


def test_an_answer_that_is_only_a_mark_is_empty(engine: Any, scripted: Any) -> None:
    response = engine(scripted("[1]")).query(LENS)
    assert response.metadata["status"] == "extractive"
    assert any("only a mark" in note for note in response.metadata["notes"])


@pytest.mark.parametrize("mark", ["", " [1]"])
def test_an_answer_that_only_repeats_the_question_is_empty(engine: Any, scripted: Any, mark: str) -> None:
    asked = engine(scripted(LENS.rstrip("?") + mark))
    response = asked.query(LENS)
    assert response.metadata["status"] == "extractive" and "1887" in response.response
    assert any("only repeated the question" in note for note in response.metadata["notes"])
    stream = asked.stream(LENS)
    assert "1887" in "".join(stream.tokens()) and stream.metadata["status"] == "extractive"


def test_a_moved_citation_is_noted(engine: Any, scripted: Any) -> None:
    response = engine(scripted("The lens was cut in 1887 by the Barbier workshop [2].")).query(LENS)
    (sentence,) = response.metadata["sentences"]
    assert (sentence["status"], sentence["numbers"]) == ("moved", [1])
    assert response.response.endswith("[1]")
    assert any("moved to [1]" in note for note in response.metadata["notes"])


@pytest.mark.parametrize(
    "thought",
    ["<think>Passage [1] says 1887.</think>\n", "The user asks for the lens. Passage [1] has it.\n</think>\n"],
)
def test_thinking_is_never_shown(engine: Any, scripted: Any, thought: str) -> None:
    text = thought + "The lens was cut in 1887 by the Barbier workshop [1]."
    assert engine(scripted(text)).query(LENS).response == "The lens was cut in 1887 by the Barbier workshop [1]."
    assert (
        "".join(engine(scripted(text)).stream(LENS).tokens()) == "The lens was cut in 1887 by the Barbier workshop [1]."
    )
    assert engine(scripted("<think>I keep thinking about it")).query(LENS).metadata["status"] == "extractive"


def test_an_answer_in_another_language_is_tried_once_more(engine: Any, scripted: Any) -> None:
    llm = scripted("灯塔的透镜是在1887年由工场切割的。[1]", "The lens was cut in 1887 by the Barbier workshop [1].")
    response = engine(llm).query(LENS)
    assert response.response == "The lens was cut in 1887 by the Barbier workshop [1]."
    assert "Answer in English." in llm.prompts[1]
    again = engine(scripted(*["灯塔的透镜是在1887年由工场切割的。[1]"] * 2)).query(LENS)
    assert any("not in English" in note for note in again.metadata["notes"])


def test_an_english_answer_to_a_german_question_is_noted(engine: Any, scripted: Any) -> None:
    question = "Wann wurde die Linse von der Werkstatt Barbier geschliffen?"
    english, german = "The lens was cut in 1887 by the Barbier workshop [1].", "Barbier schliff die Linse 1887 [1]."
    noted = "the question is in German, but the answer is in English"
    assert noted in engine(scripted(english)).query(question).metadata["notes"]
    assert noted not in engine(scripted(german)).query(question).metadata["notes"]
    assert noted not in engine(scripted(english)).query(LENS).metadata["notes"]


def test_an_irrelevant_question_is_not_answered_by_junk(engine: Any) -> None:
    response = engine().query("Which cricket team won the championship in Melbourne?")
    assert response.metadata["status"] == "not_found"
    assert response.metadata["nearest"][0]["text"]


def test_a_question_of_the_documents_is_not_routed_away(engine: Any, scripted: Any) -> None:
    llm = scripted("no", "The lens was cut in 1887 by the Barbier workshop [1].")
    response = engine(llm, routing=True).query(LENS)
    assert response.metadata["status"] == "answered"
    assert any("they hold its words" in note for note in response.metadata["notes"])
    llm = scripted("no", "I cannot say.")
    assert engine(llm, routing="general").query("Tell me a joke about zebras").metadata["status"] == "direct"


def test_modes_without_a_model_or_documents(engine: Any, scripted: Any) -> None:
    assert engine(scripted("x"), response_mode="no_text").query(LENS).response == ""
    assert "1887" in engine(scripted("x"), response_mode="context_only").query(LENS).response
    free = engine(scripted("Some time ago."), response_mode="generation").query(LENS)
    assert (free.metadata["status"], free.response) == ("direct", "Some time ago.")
    with pytest.raises(SettingsError, match="response_mode"):
        engine(scripted("x"), response_mode="summarise")
