"""synthesize: let a language model write questions about the passages of an index, and check them.

A question is kept if the real retriever finds its passage and the passage answers it (round-trip consistency; compare
Alberti et al. 2019, arXiv 1906.05416). Train and test are divided by document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets import Dataset
from eval.synthesis.maker import LLMFailed, Maker
from eval.synthesis.output import Check, check_arguments, check_output, write_splits
from eval.synthesis.passages import PassageWindows, Window, check_splits, in_test
from eval.synthesis.progress_file import WorkFile
from eval.ticks import Tick, side_by_side
from indexes.display import counted

if TYPE_CHECKING:
    from rag.settings import Settings


@dataclass
class Report:
    """Counts of what was made and dropped.

    >>> report = Report(passages=12, questions=30, splits={"train": 24, "test": 6}, dropped={"asked before": 2})
    >>> report.as_dict()["splits"], "datasets" in report.as_dict()
    ({'train': 24, 'test': 6}, False)

    Args:
        passages: number of passages in the index; ``skipped``: reason -> number that cannot be asked about.
        asked: number of passages asked about in this run; ``resumed``: number finished by earlier runs.
        questions: number of kept questions; ``splits`` by split, ``languages`` by language.
        dropped: reason -> number of questions (``not a question`` counts lines of replies).
        models: model -> number of kept questions.
        files: paths that were written.
        datasets: split -> Dataset, as written.
    """

    passages: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    resumed: int = 0
    questions: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    datasets: dict[str, Dataset] = field(default_factory=dict, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return everything except the datasets, as plain data for JSON."""
        shown = {**self.__dict__, "datasets": {}}
        return {key: value for key, value in asdict(Report(**shown)).items() if key != "datasets"}


def synthesize(
    index: Any,
    llm: Any,
    output: str | Path,
    *,
    to: str = "beir",
    limit: int | None = None,
    per_passage: int = 3,
    window: int = 5,
    seed: int = 0,
    test_share: float = 0.2,
    within: int = 10,
    check: Check = "llm",
    corpus: bool = True,
    settings: Settings | None = None,
    retriever: Any = None,
    progress: Tick | None = None,
) -> Report:
    """Write pairs of questions and passages about an index, divided into train and test.

    Finished passages are recorded in ``OUTPUT.work.jsonl`` beside the output: the same call resumes an interrupted one,
    and asks about each passage only once, unless its text has changed. A higher ``limit`` adds passages.

    Args:
        index: an open index.
        llm: any LlamaIndex LLM.
        output: a folder. "beir" and "trec" put both splits in it; single-file formats write ``train`` and ``test``.
        to: one of ``eval.datasets.FORMATS``.
        limit: number of passages to ask about, drawn with ``seed``; default: all.
        per_passage: number of questions to request per passage.
        window: maximum number of sentences per passage; passages lie within a section and do not overlap.
        seed: random seed for drawing passages.
        test_share: share of the documents (by a hash of their ids) whose questions are for testing, 0 to 1.
        within: the passage must be among this many different passages found for its question.
        check: how to check that the passage answers the question: "llm" asks the model, "words" requires the share
            ``answer.support_threshold`` of the question's content words in the passage, "none" does not check.
        corpus: whether to write the passages' texts; without them ("beir", "trec") the judgements refer to the index.
        settings: settings of the retriever; default: those of the index.
        retriever: an object with ``search(question)``, as ``rag.build_retriever`` returns; default: from the settings.
        progress: called with (passages done, passages in total).

    Raises:
        SettingsError: an argument is not allowed, all documents fall into one split, the output exists without a work
            file, or its work file was started with other settings.
        SourceError: the index has nothing to ask about.
        LLMError: the model failed; finished passages are kept.

    >>> from eval import synthesize  # doctest: +SKIP
    >>> synthesize(index, llm, "questions", limit=200).dropped  # doctest: +SKIP
    {'names the passage': 12, 'does not retrieve its passage': 31, 'not answered by its passage': 18}
    """
    from rag import build_retriever
    from rag.llms import parallel_answers

    counts = {"limit": limit, "per_passage": per_passage, "window": window, "within": within}
    check_arguments(counts, test_share, check)
    folder = Path(output).expanduser()
    work_path = check_output(folder, to, corpus=corpus)
    retriever = retriever or build_retriever(index, settings=settings, llm=llm)
    settings = settings or retriever.settings
    windows = PassageWindows(index, window)
    drawn = windows.drawn(seed, limit, test_share)
    check_splits(drawn, test_share)
    check_output(folder, to, corpus=corpus, ids=(one.id for one in drawn))
    report = Report(passages=len(windows.all), skipped=dict(Counter(windows.skipped.values()).most_common()))
    maker = Maker(llm, retriever, windows, settings, per_passage, within, check)
    rows: list[dict[str, Any]] = []
    begun = {
        "collection": index.name,
        "window": window,
        "per_passage": per_passage,
        "seed": seed,
        "within": within,
        "check": check,
    }
    with WorkFile(work_path, begun) as work:

        def make(one: Window) -> dict[str, Any] | None:
            return maker.make(one) if work.done(one.id, one.digest) is None else None

        try:
            for one, made in side_by_side(make, drawn, parallel_answers(settings.llm), progress):
                if made is None:
                    row = work.done(one.id, one.digest) or {}
                    maker.remember(row)
                    report.resumed += 1
                else:
                    row = maker.take(made)
                    work.add(row)
                    report.asked += 1
                rows.append(row)
        except LLMFailed as failed:
            raise _kept(failed, settings, len(rows), len(drawn), work_path) from failed.__cause__
    _count(report, rows)
    report.datasets = _datasets(rows, windows, test_share, folder, lists=to == "mteb")
    report.splits = {split: len(dataset.queries) for split, dataset in report.datasets.items()}
    report.files, notes = write_splits(report.datasets, folder, to, corpus=corpus, seed=seed)
    report.notes += notes
    return report


def _kept(failed: LLMFailed, settings: Any, done: int, total: int, work: Path) -> Exception:
    """Return the failure as an error that also states what is kept."""
    from rag.llms import explain_llm_error
    from rag.llms.failures import CONTEXT

    error = explain_llm_error(failed.__cause__ or failed, settings.llm)
    remedy = "raise llm.context_window" if CONTEXT.search(error.what) else error.remedy
    return type(error)(
        f"{error.what}, after {done} of {counted(total, 'passage')}, which are kept in {work}",
        remedy=f"{remedy}, then run the same command again to resume",
    )


def _count(report: Report, rows: Iterable[Mapping[str, Any]]) -> None:
    dropped: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    models: Counter[str] = Counter()
    silent = barren = 0
    for row in rows:
        dropped.update(question["reason"] for question in row["dropped"])
        languages[row["language"]] += len(row["kept"])
        models[row["model"]] += len(row["kept"])
        silent += not row["kept"] and not row["dropped"]
        barren += not row["kept"] and bool(row["dropped"])
    report.dropped = dict(dropped.most_common())
    report.languages = {language: count for language, count in languages.items() if count}
    report.models = {model: count for model, count in models.items() if count}
    report.questions = models.total()
    if silent:
        report.notes.append(f"the model wrote nothing about {counted(silent, 'passage')}")
    if barren:
        report.notes.append(f"{counted(barren, 'passage', verb='have')} no questions left")
    if len(report.models) > 1:
        report.notes.append(
            f"the questions are from {counted(len(report.models), 'model')}: {', '.join(report.models)}"
        )


def _datasets(
    rows: Iterable[Mapping[str, Any]], windows: PassageWindows, share: float, folder: Path, *, lists: bool
) -> dict[str, Dataset]:
    """Return both splits, each with the passages of its own documents."""
    found = {split: Dataset(folder.name, {}, {}, {}, split=split, path=str(folder)) for split in ("train", "test")}
    for window in windows.all.values():
        found[_split(window, share)].corpus[window.id] = window.as_row()
    for row in rows:
        dataset = found[_split(windows.all[row["id"]], share)]
        for question in row["kept"]:
            dataset.queries[question["id"]] = question["text"]
            dataset.qrels[question["id"]] = {row["id"]: 1}
            dataset.extra[question["id"]] = {"language": row["language"]}
            if lists:  # a reranker orders what the retriever found, without the other split's passages
                dataset.candidates[question["id"]] = [name for name in question["found"] if name in dataset.corpus]
    return found


def _split(window: Window, share: float) -> str:
    return "test" if in_test(window.doc_id, share) else "train"
