"""reindex on a Qdrant server: what goes over the wire, into the embedded engine behind it."""

from __future__ import annotations

from pathlib import Path

import httpx

from indexes import build_index, open_index, reindex
from indexes.encoders import build_encoder
from indexes.settings.sections import EncoderSettings, IndexSettings, StoreSettings
from indexes.store.client import open_engine
from indexes.store.collection import collection_names
from indexes.store.edge.client import EdgeClient
from tests.indexes.store.rest_server import RestServer

HEN = "The hen lays an egg each morning. The hen eats barley and snails. At night she sleeps on the beam."


def settings_for(prompt: str | None = None) -> IndexSettings:
    return IndexSettings(encoder=EncoderSettings(provider="minilm", model="minilm", document_prompt=prompt))


def test_aliases_are_switched_in_one_request(tmp_path: Path) -> None:
    (tmp_path / "hen.txt").write_text(HEN, encoding="utf-8")
    edge = EdgeClient(tmp_path / "server", min_free_mb=0)
    server = RestServer(edge)
    store = StoreSettings(url="http://server:6333", quantization="none")
    client = open_engine(store, transport=httpx.MockTransport(server)).client
    old, new = settings_for(), settings_for("note: ")
    old_model, new_model = build_encoder(old), build_encoder(new)
    build_index(tmp_path / "hen.txt", settings=old, encoder=old_model, client=client).close()
    for number, model, settings in ((2, new_model, new), (3, old_model, old)):
        server.requests.clear()
        report = reindex(settings=settings, encoder=model, client=client)
        assert report.new == f"default.{number}"
        with open_index(settings=settings, encoder=model, client=client) as index:
            found = index.retriever(mode="default", top_k=1).retrieve("What does the hen eat?")
            assert found[0].text == "The hen eats barley and snails."
            assert (index.collection, index.count) == (report.new, 3)
        if number == 2:  # a collection bore the name: its record is what is switched, before it is deleted
            steps = [(method, path) for method, path, _ in server.requests if method in ("PATCH", "DELETE")]
            assert steps[1:] == [("PATCH", "/collections/default"), ("DELETE", "/collections/default")]
    aliases = [body for _, path, body in server.requests if path == "/collections/aliases"]
    delete = {"delete_alias": {"alias_name": "default"}}
    create = {"create_alias": {"collection_name": "default.3", "alias_name": "default"}}
    assert aliases == [{"actions": [delete, create]}]  # in one request: no moment without the name
    assert collection_names(edge) == ["default.3"]
    assert edge.count("default").count == 3
    client.close()
    edge.close()
