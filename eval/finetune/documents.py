"""finetune_documents: from an index of one's own documents to a tuned, proved embedder, without a single label.

A language model writes questions about passages (``eval.synthesis.run``), those whose passage answers them and is found
stay, train and test share no document; then the embedder is tuned on them and proved. As in rag-best-practices, whose
questions were written by a language model too.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from eval.finetune.bge_m3.options import M3Options
from eval.finetune.embedder.options import EmbedderOptions
from eval.finetune.training.options import merge_option, option, soup_option
from eval.finetune.training.request import Request, base_folder
from eval.finetune.training.run_folder import RunFolder
from indexes.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from eval.finetune.proof.tuned import TunedModel
    from eval.synthesis.run import Report
    from rag.settings import Settings

T = TypeVar("T")
LEAST_TRAIN, LEAST_TEST = 16, 8  # questions below which neither training nor proof means anything
NOTHING = "nothing: questions that a model wrote were not used in a measured run"


@dataclass(frozen=True)
class QuestionOptions:
    """How questions are made; see ``eval.synthesis.run``. Each field's help stands in its ``option``."""

    limit: int | None = option(400, "Ask about N passages, drawn.", low=1, metavar="N", everyday=True, measured=NOTHING)
    per_passage: int = option(3, "Questions a passage.", low=1, everyday=True, measured=NOTHING)
    window: int = 5
    test_share: float = option(
        0.25,
        "Share of the documents whose questions prove the model.",
        low=0.05,
        high=0.9,
        everyday=True,
        measured=NOTHING,
    )
    within: int = option(10, "A question's passage must be among that many passages found.", low=1, measured=NOTHING)
    check: Literal["llm", "words", "none"] = option(
        "llm", "Who says that the passage answers the question.", everyday=True, measured=NOTHING
    )
    seed: int = option(7, "Random seed of drawing, splitting, mining and training.", everyday=True, measured=NOTHING)

    def values(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(QuestionOptions)}


@dataclass(frozen=True)
class DocumentOptions(QuestionOptions):
    """The same, and what is asked of the training; the rest of it is as the model's own options say."""

    epochs: float = option(
        3, "Passes over the questions; early stopping may end it sooner.", above=0, everyday=True, measured=NOTHING
    )
    batch: int | None = option(None, "Questions in a step [32, for BGE-M3 4].", low=2, everyday=True, measured=NOTHING)
    lr: float | None = option(None, "Learning rate [1e-4, for BGE-M3 1e-5].", above=0, everyday=True, measured=NOTHING)
    merge: float | str | None = merge_option(NOTHING)
    soup: int = soup_option(NOTHING)
    device: str = "auto"
    dtype: str = "auto"
    query_prompt: str | None = None
    document_prompt: str | None = None

    def of(self, kind: type[T]) -> T:
        """The options of a training, as far as it has them."""
        own = {one.name for one in fields(kind)}  # type: ignore[arg-type]
        given = ("seed", *(one.name for one in fields(self) if one.name not in self.values()))
        values = {name: getattr(self, name) for name in given if name in own}
        return kind(**{name: value for name, value in values.items() if value is not None})


@dataclass
class TunedOnDocuments:
    """What the run gave.

    Args:
        questions: the report of ``synthesize``, as plain values.
        dataset: folder of the questions (BEIR).
        tuned: of ``finetune_embedder`` (or ``finetune_bge_m3``, for a base with its heads).
        hits: "base" and "tuned" -> share of the held-out questions whose passage is among the first five.
    """

    questions: dict[str, Any]
    dataset: Path
    tuned: TunedModel
    hits: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.tuned.as_dict(),
            "questions": self.questions,
            "dataset": str(self.dataset),
            "hits": self.hits,
        }


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
    """Questions about a collection, training on them, proof on questions about other documents.

    Args:
        collection: name of an index that ``rag ingest`` made.
        base: as for ``finetune_embedder``; default: the model of the settings. One with BGE-M3's heads is tuned by
            ``finetune_bge_m3``.
        out: folder of the run: ``questions``, ``tuned`` (the training's own run) and ``model`` in it. The same call
            continues an interrupted one, and asks about no passage twice.
        llm: any LlamaIndex LLM; default: that of the settings.
        options, m3_options: of the training; the one that fits the base is used.
        request: the other fields of ``Request``.

    Raises:
        SettingsError: no language model or no trainable base is configured, ``out`` holds another run, or a soup is
            asked for of a base with BGE-M3's heads.
        SourceError: too few questions are left to train on, or to prove anything with.
        LLMError: the language model failed; what is done stays.

        >>> from eval.finetune.documents import finetune_documents  # doctest: +SKIP
        >>> finetune_documents("guide", "minilm", out="tuned").tuned.proof.better  # doctest: +SKIP
        True
    """
    from eval.finetune.bge_m3.flag_embedding import HEADS
    from eval.finetune.bge_m3.run import finetune_bge_m3
    from eval.finetune.embedder.run import finetune_embedder
    from indexes.encoders.torch_runtime import weights_digest

    given = Request("", base or "", out, **request)
    settings = given.settings
    wanted = questions or QuestionOptions()
    base = base or base_of(settings)
    folder = base_folder(base)
    if llm is None and settings.llm.provider == "none":
        raise SettingsError("llm.provider is 'none', so nobody writes questions", remedy="name a model with --llm")
    heads = all((folder / head).is_file() for head in HEADS)
    if heads and options is not None and options.soup > 1:
        raise SettingsError(f"'{base}' has BGE-M3's heads, which are trained once", remedy="leave --soup out")
    with RunFolder(
        out,
        {
            "kind": "documents",
            "collection": collection,
            "base": base,
            "base_weights": weights_digest(folder),
            "questions": wanted.values(),
        },
    ) as run:
        dataset = run.path / "questions"
        made = run.step("questions", lambda: _questions(collection, dataset, llm, wanted, given))
        train, test = (made["splits"].get(split, 0) for split in ("train", "test"))
        if given.say is not None:
            given.say(f"{made['questions']} questions: {train} train, {test} test")
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
            f"questions whose passage the pipeline did not find among its first {wanted.within} were dropped, so that "
            "all of them, the held-out ones too, are easier than real ones"
        )
        tuned.notes.append(note)
        tuned.proof.notes.append(note)
        tuned.proof.save(tuned.model.parent)
        return TunedOnDocuments(made, dataset, tuned, _hits(tuned))


def base_of(settings: Settings) -> str:
    """The configured model, where it can be trained.

    Raises:
        SettingsError: it cannot.
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
    """Write the questions; enough of them for training and proof."""
    from eval.synthesis.run import synthesize
    from indexes import open_index
    from rag.llms import build_llm

    settings, stage, own = given.settings, given.stage or (lambda _: nullcontext(None)), llm is None
    with open_index(collection, settings=settings) as index:
        llm = build_llm(settings.llm) if own else llm
        try:
            with stage("questions") as tick:
                report = synthesize(index, llm, dataset, settings=settings, progress=tick, **wanted.values())
        finally:
            if own and hasattr(llm, "close"):
                llm.close()
    for split, least in (("train", LEAST_TRAIN), ("test", LEAST_TEST)):
        count = report.splits.get(split, 0)
        if count < least:
            dropped = ", ".join(f"{reason} {number}" for reason, number in report.dropped.items()) or "none"
            raise SourceError(
                f"{f'only {count}' if count else 'no'} questions are left for {split}, and {least} are the least "
                f"({report.questions} from {report.asked + report.resumed} passages, dropped: {dropped})",
                remedy=_remedy(report),
            )
    return report.as_dict()


def _remedy(report: Report) -> str:
    """More passages help where some questions stay; a model that cannot judge, or write, is helped otherwise."""
    from eval.synthesis.maker import UNREADABLE

    better = "use a better language model (--llm)"
    if report.dropped.get(UNREADABLE, 0) > report.questions:
        return f"let words check the answers, not the model (--check words, with another --out), or {better}"
    if not report.questions:
        return f"{better}, or ingest documents with more text"
    return f"raise --limit and run it again (what is written stays), ingest more documents, or {better}"


def _hits(tuned: TunedModel) -> dict[str, float]:
    """The share of held-out questions whose passage is among the first five, before and after."""
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
