"""finetune_documents: tune an embedder on the documents of an index, without labels, and prove the gain.

A language model writes questions about passages (``eval.synthesis.run``); those whose passage is found and answers them
are kept, and train and test share no document. Then the embedder is tuned on them and proved. The reference project
rag-best-practices also trains on questions from a language model.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from eval.finetune.bge_m3.options import M3Options
from eval.finetune.embedder.options import EmbedderOptions
from eval.finetune.training.options import merge_option, option, soup_option
from eval.finetune.training.request import Request, base_folder
from eval.finetune.training.run_folder import RunFolder
from indexes.display import counted
from indexes.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from eval.finetune.proof.tuned import TunedModel
    from eval.synthesis.run import Report
    from rag.settings import Settings

T = TypeVar("T")
LEAST_TRAIN, LEAST_TEST = 16, 8  # minimum number of questions to train on, and to prove anything with
NOTHING = "nothing: no measured run used questions from a language model"


@dataclass(frozen=True)
class QuestionOptions:
    """How questions are generated; see ``eval.synthesis.run``. Each field's ``option`` has its help.

    >>> QuestionOptions(limit=100).values()
    {'limit': 100, 'per_passage': 3, 'window': 5, 'test_share': 0.25, 'within': 10, 'check': 'llm', 'seed': 7}
    """

    limit: int | None = option(
        400, "Number of passages to ask about, drawn at random.", low=1, metavar="N", everyday=True, measured=NOTHING
    )
    per_passage: int = option(3, "Number of questions per passage.", low=1, everyday=True, measured=NOTHING)
    window: int = 5
    test_share: float = option(
        0.25,
        "Share of the documents whose questions are for the test.",
        low=0.05,
        high=0.9,
        everyday=True,
        measured=NOTHING,
    )
    within: int = option(
        10, "The passage must be among this many passages found for its question.", low=1, measured=NOTHING
    )
    check: Literal["llm", "words", "none"] = option(
        "llm", "How to check that the passage answers the question.", everyday=True, measured=NOTHING
    )
    seed: int = option(7, "Random seed for drawing, splitting, mining and training.", everyday=True, measured=NOTHING)

    def values(self) -> dict[str, Any]:
        """Return the fields of ``QuestionOptions`` as plain data."""
        return {one.name: getattr(self, one.name) for one in fields(QuestionOptions)}


@dataclass(frozen=True)
class DocumentOptions(QuestionOptions):
    """Options of questions and of the training; other training options have the model's defaults.

    >>> options = DocumentOptions(epochs=1, limit=100)
    >>> options.of(EmbedderOptions).epochs, options.of(EmbedderOptions).batch, options.of(M3Options).batch
    (1, 32, 4)
    """

    epochs: float = option(
        3, "Number of epochs; early stopping may end the training sooner.", above=0, everyday=True, measured=NOTHING
    )
    batch: int | None = option(None, "Questions per step [32, for BGE-M3 4].", low=2, everyday=True, measured=NOTHING)
    lr: float | None = option(None, "Learning rate [1e-4, for BGE-M3 1e-5].", above=0, everyday=True, measured=NOTHING)
    merge: float | str | None = merge_option(NOTHING)
    soup: int = soup_option(NOTHING)
    device: str = "auto"
    dtype: str = "auto"
    query_prompt: str | None = None
    document_prompt: str | None = None

    def of(self, kind: type[T]) -> T:
        """Return these options as options of a training (``kind``), without those it does not have."""
        own = {one.name for one in fields(kind)}  # type: ignore[arg-type]
        given = ("seed", *(one.name for one in fields(self) if one.name not in self.values()))
        values = {name: getattr(self, name) for name in given if name in own}
        return kind(**{name: value for name, value in values.items() if value is not None})


@dataclass
class TunedOnDocuments:
    """The result of ``finetune_documents``.

    Args:
        questions: the report of ``synthesize``, as plain data.
        dataset: folder of the questions (BEIR).
        tuned: the result of ``finetune_embedder`` (or ``finetune_bge_m3``, for a base with its heads).
        hits: "base" and "tuned" -> share of the held-out questions whose passage is among the first five.
    """

    questions: dict[str, Any]
    dataset: Path
    tuned: TunedModel
    hits: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain data for JSON."""
        own = {"questions": self.questions, "dataset": str(self.dataset), "hits": self.hits}
        return self.tuned.as_dict() | own


def finetune_documents(
    collection: str,
    base: str | None = None,
    *,
    out: str | Path,
    llm: Any = None,
    questions: QuestionOptions | None = None,
    options: EmbedderOptions | None = None,
    m3_options: M3Options | None = None,
    **request: Any,
) -> TunedOnDocuments:
    """Write questions about a collection, train on them, and prove the model on questions about other documents.

    Args:
        collection: name of a collection made by ``rag ingest``.
        base: see ``finetune_embedder``; default: the configured model. A base with BGE-M3's heads is tuned by
            ``finetune_bge_m3``.
        out: folder of the run, with ``questions``, ``tuned`` (the run of the training) and ``model``. The same call
            resumes an interrupted one, and asks about each passage only once.
        llm: any LlamaIndex LLM; default: the configured one.
        options, m3_options: options of the training; those for the base are used.
        request: the other fields of ``Request``.

    Raises:
        SettingsError: no language model or trainable base is configured, ``out`` holds another run, or a soup is
            requested for a base with BGE-M3's heads.
        SourceError: too few questions are left for training or proof.
        LLMError: the language model failed; finished passages are kept.

    >>> from eval.finetune.documents import finetune_documents  # doctest: +SKIP
    >>> finetune_documents("guide", "minilm", out="tuned").tuned.proof.better  # doctest: +SKIP
    True
    """
    from eval.finetune.bge_m3.run import finetune_bge_m3
    from eval.finetune.embedder.run import finetune_embedder
    from eval.finetune.weights.average import HEADS
    from indexes.encoders.torch_runtime import weights_digest

    given = Request("", base or "", out, **request)
    settings = given.settings
    wanted = questions or QuestionOptions()
    base = base or base_of(settings)
    folder = base_folder(base)
    if llm is None and settings.llm.provider == "none":
        raise SettingsError("llm.provider is 'none', so questions cannot be written", remedy="name a model with --llm")
    heads = all((folder / head).is_file() for head in HEADS)
    if heads and options is not None and options.soup > 1:
        raise SettingsError(
            f"'{base}' has BGE-M3's heads, which cannot be trained as a soup", remedy="leave out --soup"
        )
    with RunFolder(
        out,
        {
            "kind": "documents",
            "collection": collection,
            "base": base,
            "base_weights": weights_digest(folder),
            "questions": wanted.values(),
        },
        {"questions": QuestionOptions().values()},
    ) as run:
        dataset = run.path / "questions"
        made = run.step("questions", lambda: _questions(collection, dataset, llm, wanted, given))
        train, test = (made["splits"].get(split, 0) for split in ("train", "test"))
        given.say(f"{counted(made['questions'], 'question')}: {train} train, {test} test")
        shared: dict[str, Any] = {**request, "out": run.path / "tuned"}
        tuned: TunedModel
        if heads:
            tuned = finetune_bge_m3(dataset, base, options=m3_options, **shared)
        else:
            tuned = finetune_embedder(dataset, base, options=options, **shared)
        link = run.path / "model"
        if not link.is_symlink():
            link.symlink_to(tuned.model.relative_to(run.path), target_is_directory=True)
        note = (
            f"questions whose passage is not among the first {wanted.within} found were dropped, so all questions, "
            "including the held-out ones, are easier than real ones"
        )
        tuned.notes.append(note)
        tuned.proof.notes.append(note)
        tuned.proof.save(tuned.model.parent)
        return TunedOnDocuments(made, dataset, tuned, _hits(tuned))


def base_of(settings: Settings) -> str:
    """Return the configured model, for training.

    >>> from rag.settings import Settings
    >>> base_of(Settings.model_validate({"encoder": {"provider": "minilm"}}))
    'minilm'
    >>> base_of(Settings.model_validate({"encoder": {"provider": "ollama", "model": "bge-m3"}}))
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: the model of encoder.provider = 'ollama' cannot be trained; name a
     sentence-transformers folder or hub name with --base

    Raises:
        SettingsError: it cannot be trained.
    """
    encoder = settings.encoder
    if encoder.provider == "minilm":
        return "minilm"
    if encoder.provider in ("sentence_transformer", "bge_m3"):
        return encoder.model
    raise SettingsError(
        f"the model of encoder.provider = {encoder.provider!r} cannot be trained",
        remedy="name a sentence-transformers folder or hub name with --base",
    )


def _questions(collection: str, dataset: Path, llm: Any, wanted: QuestionOptions, given: Request) -> dict[str, Any]:
    """Write the questions, and check that there are enough for training and proof."""
    from eval.synthesis.run import synthesize
    from indexes import open_index
    from rag.llms import build_llm

    settings, own = given.settings, llm is None
    with open_index(collection, settings=settings) as index:
        llm = build_llm(settings.llm) if own else llm
        try:
            with given.stage("questions") as tick:
                report = synthesize(index, llm, dataset, settings=settings, progress=tick, **wanted.values())
        finally:
            if own and hasattr(llm, "close"):
                llm.close()
    for split, least in (("train", LEAST_TRAIN), ("test", LEAST_TEST)):
        count = report.splits.get(split, 0)
        if count < least:
            dropped = ", ".join(f"{reason} {number}" for reason, number in report.dropped.items()) or "none"
            raise SourceError(
                f"{f'only {count}' if count else 'no'} questions are left for {split}, and at least {least} are needed "
                f"({report.questions} from {counted(report.asked + report.resumed, 'passage')}, dropped: {dropped})",
                remedy=_remedy(report),
            )
    return report.as_dict()


def _remedy(report: Report) -> str:
    """Return a remedy: more passages if some questions are kept, else another check or a better model."""
    from eval.synthesis.maker import UNREADABLE

    better = "use a better language model (--llm)"
    if report.dropped.get(UNREADABLE, 0) > report.questions:
        return f"check by words, not with the model (--check words, with another --out), or {better}"
    if not report.questions:
        return f"{better}, or ingest documents with more text"
    return f"raise --limit and run the command again (questions are kept), ingest more documents, or {better}"


def _hits(tuned: TunedModel) -> dict[str, float]:
    """Return the share of held-out questions whose passage is among the first five, before and after."""
    from eval.finetune.bge_m3.steps import SIDES
    from eval.finetune.proof.forgetting import run_key
    from eval.finetune.proof.tuned import hit_shares
    from eval.measure.runs import load_run

    test, runs = tuned.splits.test, {}
    for name in ("base", "tuned"):
        folder = tuned.model.parent / name
        folder = folder / SIDES[0] if (folder / SIDES[0]).is_dir() else folder
        runs[name] = load_run(folder / run_key(test))
    return hit_shares(runs, test)
