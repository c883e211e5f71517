"""finetune documents: an index and a language model in, a proved embedder out; interrupted, continued, refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import CompletionResponse, CompletionResponseGen, LLMMetadata
from llama_index.core.llms import CustomLLM
from pydantic import Field

from eval.datasets import load_dataset
from eval.finetune.bge_m3.flag_embedding import HEADS
from eval.finetune.documents import QuestionOptions, base_of, finetune_documents
from eval.finetune.embedder.options import EmbedderOptions
from indexes import build_index
from indexes.errors import LLMError, SettingsError, SourceError
from rag import Settings, load_settings
from tests.eval.finetune.harbour import documents, tiny_bert

QUICK = EmbedderOptions(epochs=2, batch=8, lr=2e-3, unit="document", pool=40, dtype="float32", device="cpu", patience=0)
ASKED = QuestionOptions(limit=None, per_passage=1, test_share=0.3, check="none")


class HarbourLLM(CustomLLM):
    """Asks about the ship of each passage; ``left`` passages long."""

    left: int = 10_000
    prompts: list[str] = Field(default_factory=list)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=4096, num_output=256, model_name="harbour")

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        if len(self.prompts) == self.left:
            raise ConnectionError("the plug was pulled")
        self.prompts.append(prompt)
        found = re.findall(r"The ([A-Z]\w+) landed her cargo at (the [\w ]+)\. (\w+ \w+)", prompt)
        ship, place, rest = found[-1]
        return CompletionResponse(text=f"Which note on the {ship} at {place} tells of {rest.lower()}?")

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        raise NotImplementedError


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    place = tmp_path_factory.mktemp("documents")
    (place / "notes").mkdir()
    for name, (title, text) in list(documents().items())[:60]:
        (place / "notes" / f"{name}.md").write_text(f"# {title}\n\n{text}\n", encoding="utf-8")
    tiny_bert(place / "tiny")
    settings = load_settings(
        **{
            "encoder.provider": "sentence_transformer",
            "encoder.model": str(place / "tiny"),
            "encoder.dtype": "float32",
            "rerank.provider": "none",
            "llm.provider": "none",
            "store.path": str(place / "store"),
            "collection": "notes",
        }
    )
    build_index(place / "notes", collection="notes", settings=settings).close()
    yield settings


def run(settings: Settings, out: Path, llm: Any, **changes: Any) -> Any:
    given: dict[str, Any] = {"questions": ASKED, "options": QUICK, "settings": settings, "cache": out.parent / "cache"}
    return finetune_documents("notes", out=out, llm=llm, **{**given, **changes})


def test_from_an_index_to_a_proved_model_and_on_after_a_failure(settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(LLMError, match=r"after 20 of \d\d passages, which are kept"):
        run(settings, out, HarbourLLM(left=20))
    llm = HarbourLLM()
    found = run(settings, out, llm)
    assert found.questions["resumed"] == 20
    assert len(llm.prompts) == found.questions["asked"]
    splits = {name: load_dataset(out / "questions", name) for name in ("train", "test")}
    of = {
        name: {d.rpartition("#")[0] for judged in part.qrels.values() for d in judged} for name, part in splits.items()
    }
    assert of["train"] and of["test"] and of["train"].isdisjoint(of["test"])
    assert found.tuned.proof.in_domain.queries == len(splits["test"].queries)
    assert len(found.tuned.proof.forgetting) == 2
    assert (out / "model/model.safetensors").is_file() and found.tuned.model == out / "tuned/model"
    assert set(found.hits) == {"base", "tuned"} and all(0 <= value <= 1 for value in found.hits.values())
    assert any("easier than real ones" in note for note in found.tuned.notes)
    silent = HarbourLLM(left=0)  # nobody is asked, and nothing is trained, a second time
    again = run(settings, out, silent)
    assert again.as_dict() == found.as_dict()
    with pytest.raises(SettingsError, match="per_passage"):
        run(settings, out, silent, questions=QuestionOptions(limit=None, per_passage=2, test_share=0.3, check="none"))


def test_too_few_questions_and_models_that_cannot_be_trained(settings: Settings, tmp_path: Path) -> None:
    few = QuestionOptions(limit=3, per_passage=1, test_share=0.3, check="none")
    with pytest.raises(
        SourceError,
        match=r"only \d questions are left for train, and at least 16 are needed \(\d from 3 .*raise --limit",
    ):
        run(settings, tmp_path / "few", HarbourLLM(), questions=few)
    with pytest.raises(SettingsError, match="questions cannot be written"):
        run(settings, tmp_path / "none", None)
    remote = settings.model_copy(update={"encoder": settings.encoder.model_copy(update={"provider": "ollama"})})
    with pytest.raises(SettingsError, match=r"'ollama' cannot be trained"):
        base_of(remote)
    heads = tmp_path / "heads"
    shutil.copytree(Path(settings.encoder.model), heads)
    for name in HEADS:
        (heads / name).touch()
    with pytest.raises(SettingsError, match="BGE-M3's heads, which cannot be trained as a soup; leave out --soup"):
        run(settings, tmp_path / "soup", HarbourLLM(), base=str(heads), options=replace(QUICK, soup=2))
    assert not (tmp_path / "soup").exists()


@pytest.mark.parametrize(
    ("reply", "check", "said"),
    [
        ("I would rather not.", "none", "no questions are left for train, .*use a better language model"),
        ("Where did the {ship} land her cargo?", "llm", "no questions are left for train, .*--check words"),
    ],
)
def test_what_helps_depends_on_why_no_question_stays(
    settings: Settings, tmp_path: Path, reply: str, check: Any, said: str
) -> None:
    """A model that writes no questions, and one that answers every check with a question."""

    class Stubborn(HarbourLLM):
        def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
            return CompletionResponse(text=reply.format(ship=re.findall(r"The ([A-Z]\w+) landed", prompt)[-1]))

    with pytest.raises(SourceError, match=said):
        run(settings, tmp_path / "out", Stubborn(), questions=QuestionOptions(limit=6, per_passage=1, check=check))


def test_a_real_language_model_writes_the_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forbid_scoring: Callable[[], None]
) -> None:
    """SmolLM2 in this process and the command: a weak model, so few questions are enough here."""
    pytest.importorskip("xllamacpp")
    from click.testing import CliRunner

    from eval.cli.commands.finetune.documents import command
    from eval.finetune import documents as module
    from tests.eval.finetune.conftest import WHOLE_PROBES

    passages = [passage.content for passage in WHOLE_PROBES()[0].corpus.values()][::8]
    (tmp_path / "texts").mkdir()
    for number, text in enumerate(passages):
        (tmp_path / "texts" / f"{number}.md").write_text(text + "\n", encoding="utf-8")
    tiny_bert(tmp_path / "tiny", texts=passages)
    monkeypatch.setattr(module, "LEAST_TRAIN", 3)
    monkeypatch.setattr(module, "LEAST_TEST", 2)
    changes = {
        "encoder.provider": "sentence_transformer",
        "encoder.model": str(tmp_path / "tiny"),
        "encoder.dtype": "float32",
        "store.path": str(tmp_path / "store"),
        "llm.max_tokens": 24,
        "llm.model": "smollm2",
    }
    build_index(tmp_path / "texts", collection="texts", settings=load_settings(profile="offline", **changes)).close()

    def documents_command() -> tuple[dict[str, Any], int]:
        sets = [part for name, value in changes.items() for part in ("--set", f"{name}={value}")]
        options = ["--check", "words", "--per-passage", "1", "--test-share", "0.5", "--epochs", "1", "--batch", "4"]
        options += ["--soup", "2"]
        args = ["--collection", "texts", "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"), *options]
        found = CliRunner().invoke(command, [*args, "--profile", "offline", "--json", *sets])
        assert found.stdout, found.exception
        return json.loads(found.stdout), getattr(found.exception, "exit_code", 1) if found.exception else 0

    first, code = documents_command()
    assert first["questions"]["asked"] == len(passages) and first["questions"]["models"] == {
        "smollm2": first["questions"]["questions"]
    }
    assert min(first["questions"]["splits"].values()) >= 2
    assert code == (0 if first["proof"]["better"] else 4)
    assert (tmp_path / "out/model/model.safetensors").is_file()
    assert {"train", "train 2", "average model"} <= set(first["seconds"])
    assert any("easier than real ones" in note for note in first["proof"]["notes"])
    forbid_scoring()  # and nobody is asked a second time
    again, same = documents_command()
    assert same == code and again == first
