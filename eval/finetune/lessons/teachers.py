"""Teachers: whatever gives a question and its texts scores that a smaller model learns from.

A teacher is named by a specification; several of them are one teacher, the mean of their standardised scores.
Scores are computed once and kept in a file as they come, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from eval.datasets.rows import KeptRows
from eval.finetune.lessons.teacher_file import FileTeacher
from eval.measure.cache import digest
from eval.ticks import Tick, side_by_side
from indexes.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from eval.finetune.lessons.training_set import Example, TrainingSet
    from rag.settings import Settings

SPECS = "file:PATH, cross_encoder:MODEL, llm:MODEL, embedder:PROVIDER[:MODEL], server:URL#MODEL or pipeline"


class Teacher(Protocol):
    """Gives scores; higher is more relevant, and the scale is the teacher's own. NaN: it knows none for this text.

    ``fingerprint`` is 16 hex digits that change when scores may change. A teacher that goes by ids and not by texts
    has ``bind(training_set)`` too, which is called before the first score; one on a server has ``parallel``, how many
    lists it may be asked about at once.
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def score(self, question: str, texts: Sequence[str]) -> list[float]: ...


def build_teacher(
    spec: str | Sequence[str], settings: Settings, *, retriever: Any = None, cache: str | Path | None = None
) -> Teacher:
    """The teacher that a specification names, loaded.

    Args:
        spec: one of ``SPECS``; a sequence of several is the mean of their scores, each standardised over a list.
            A server's URL that ends in /embeddings embeds, any other one reranks.
        settings: ``encoder`` and ``rerank`` give device, number format, lengths and key variable.
        retriever: for "pipeline", a ``HybridRetriever`` over the collection that the texts come from.
        cache: where an embedder's vectors are kept, as ``cache_folder`` takes it.

    Raises:
        SettingsError: the specification cannot be read.
        SourceError, RerankerError, EncoderError: its file, model or server cannot be used.
    """
    if not isinstance(spec, str):
        teachers = [build_teacher(one, settings, retriever=retriever, cache=cache) for one in spec]
        if not teachers:
            raise SettingsError("no teacher is named", remedy=f"name one of: {SPECS}")
        return teachers[0] if len(teachers) == 1 else MeanTeacher(teachers)
    kind, colon, rest = spec.strip().partition(":")
    if kind == "pipeline" and not colon:
        if retriever is None:
            raise SettingsError("the teacher 'pipeline' needs a retriever", remedy="pass one, or name another teacher")
        return PipelineTeacher(retriever)
    if rest and kind == "file":
        return FileTeacher.read(Path(rest).expanduser())
    if rest and kind in ("cross_encoder", "llm"):
        return _Scorer(spec, _reranker(settings, provider=kind, model=rest))
    if rest and kind == "embedder":
        return _Scorer(spec, _embedder(settings, rest, cache))
    url, mark, model = rest.partition("#")
    if kind == "server" and mark and model and "://" in url:
        if url.rstrip("/").endswith("/embeddings"):
            base = url.rstrip("/").removesuffix("/embeddings")
            return _Scorer(spec, _embedder(settings, f"openai:{model}", cache, base_url=base))
        return _Scorer(spec, _reranker(settings, provider="api", model=model, base_url=url))
    raise SettingsError(f"{spec!r} names no teacher", remedy=f"write it as {SPECS}")


def check_specs(specs: Sequence[str], settings: Settings) -> None:
    """Refuse, before anything is measured, what ``build_teacher`` would refuse later.

    Raises:
        SettingsError: there is no such teacher.
        SourceError: a teacher's file cannot be read.
    """
    for spec in specs:
        kind = spec.strip().partition(":")[0]
        if kind == "file":
            build_teacher(spec, settings)
        elif kind not in re.findall(r"(\w+):", SPECS) and spec.strip() != "pipeline":
            raise SettingsError(f"{spec!r} names no teacher", remedy=f"write it as {SPECS}")


def _reranker(settings: Settings, **changes: Any) -> Any:
    from rag.rerankers import build_reranker

    return build_reranker(settings.rerank.model_copy(update=changes))


def _embedder(settings: Settings, name: str, cache: str | Path | None, base_url: str | None = None) -> Any:
    """An embedder in a reranker's place: the cosine of question and text."""
    from eval.measure.exact_search import EncoderReranker
    from eval.measure.indexing import cached_encoder
    from eval.measure.session import embedder_changes

    found = embedder_changes(name)
    changes: dict[str, Any] = {"provider": found["encoder.provider"], "model": found["encoder.model"]}
    if base_url is not None:
        changes["base_url"] = base_url
    encoder = settings.encoder.model_copy(update=changes)
    sparse = settings.sparse.model_copy(update={"kind": "none"})
    tree = settings.model_copy(update={"encoder": encoder, "sparse": sparse})
    return EncoderReranker(cached_encoder(tree, cache))


class _Scorer:
    """Anything with ``score(question, texts).raw`` and a fingerprint: every reranker, and an encoder's cosine."""

    def __init__(self, name: str, scorer: Any) -> None:
        self.name = name
        self.fingerprint: str = scorer.fingerprint
        self.parallel: int = getattr(scorer, "parallel", 1)
        self._scorer = scorer

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        return [float(value) for value in self._scorer.score(question, list(texts)).raw] if texts else []


class MeanTeacher:
    """Several teachers: the mean of their scores, each with mean 0 and standard deviation 1 over the list."""

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        self._teachers = list(teachers)
        self.name = " + ".join(teacher.name for teacher in teachers)
        self.fingerprint = digest([teacher.fingerprint for teacher in teachers])
        self.parallel = min(getattr(teacher, "parallel", 1) for teacher in teachers)

    def bind(self, training_set: TrainingSet) -> None:
        for teacher in self._teachers:
            _bind(teacher, training_set)

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        rows = np.array([teacher.score(question, texts) for teacher in self._teachers], np.float64)
        known = np.where(np.isfinite(rows).any(1, keepdims=True), rows, 0.0)
        mean, spread = np.nanmean(known, 1, keepdims=True), np.nanstd(known, 1, keepdims=True)
        return [float(value) for value in ((rows - mean) / np.where(spread > 0, spread, 1.0)).mean(0)]


class PipelineTeacher:
    """The fused score of the hybrid pipeline: dense and lexical together, both legs' knowledge in one number.

    A text takes the best score among the candidates inside it; one that the pipeline did not find takes the lowest
    score of the question.
    """

    name = "pipeline"

    def __init__(self, retriever: Any) -> None:
        self._retriever = retriever
        retrieval = retriever.settings.retrieval.model_dump(mode="json")
        self.fingerprint = digest([retriever.index.encoder.fingerprint.digest, retrieval, retriever.index.collection])
        self._ids: dict[str, str] = {}

    def bind(self, training_set: TrainingSet) -> None:
        """Texts are found by their ids (``DOCUMENT`` or ``DOCUMENT#FIRST-LAST``)."""
        self._ids = {text: name for name, text in training_set.texts.items()}

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        candidates = self._retriever.search(question).candidates
        if not candidates:
            return [0.0] * len(texts)
        lowest = min(candidate.fused_score for candidate in candidates)
        places = [(c.record.doc_id, c.record.position, c.record.text, c.window, c.fused_score) for c in candidates]
        return [max((p[4] for p in places if self._inside(text, *p[:4])), default=lowest) for text in texts]

    def _inside(self, text: str, document: str, position: int, sentence: str, window: str | None) -> bool:
        name = self._ids.get(text)
        if name is None:
            return text in (sentence, window)
        if name == document:
            return True
        owner, mark, span = name.rpartition("#")
        first, dash, last = span.partition("-")
        in_document = bool(mark and dash) and owner == document and first.isdigit() and last.isdigit()
        return in_document and int(first) <= position <= int(last)


def teacher_scores(
    teacher: Teacher, training_set: TrainingSet, path: Path, *, progress: Tick | None = None
) -> dict[str, dict[str, float]]:
    """Query id -> text id -> score, for the positives and negatives of every example.

    Texts for which the teacher knows no score (a file that lacks them) are missing in the answer.

    Args:
        path: jsonl file that scores are appended to as they come; what it already holds is not computed again.

    Raises:
        SettingsError: the file holds another teacher's scores.
        SourceError: it cannot be read; the teacher has no score for a positive and a negative of any question.
    """
    _bind(teacher, training_set)
    found: dict[str, dict[str, float]] = {}
    with KeptRows(path, "row of teacher's scores", "delete the file; it is made again") as file:
        if file.rows and file.rows[0].get("fingerprint") != teacher.fingerprint:
            raise SettingsError(
                f"{path} holds the scores of another teacher ({file.rows[0].get('teacher')!r}, now {teacher.name!r})",
                remedy="name another --out, or delete the file",
            )
        if not file.rows:
            file.add({"teacher": teacher.name, "fingerprint": teacher.fingerprint})
        kept: dict[str, dict[str, float]] = {row["key"]: row["scores"] for row in file.rows[1:] if "key" in row}

        def ask(example: Example) -> tuple[str, dict[str, float]]:
            names = list(dict.fromkeys((*example.positives, *example.negatives)))
            texts = [training_set.texts[name] for name in names]
            key = _key(example.question, texts)
            if key in kept:
                return key, kept[key]
            values = teacher.score(example.question, texts)
            return key, {n: v for n, v in zip(names, values, strict=True) if math.isfinite(v)}

        answers = side_by_side(ask, training_set.examples, getattr(teacher, "parallel", 1), progress)
        for example, (key, scores) in answers:
            if key not in kept:
                kept[key] = scores
                file.add({"key": key, "query": example.query, "question": example.question, "scores": scores})
            # A question may have two lists, one of documents and one of sentences.
            found.setdefault(example.query, {}).update(kept[key])
    if not any(_usable(example, found[example.query]) for example in training_set.examples):
        raise SourceError(
            f"the teacher {teacher.name!r} has no scores for both a positive and a negative of any question",
            remedy="score the texts of mined.jsonl by their ids, or name another teacher",
        )
    return found


def unit_scores(scores: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Teacher scores less each list's best, divided by the mean standard deviation within the lists.

    One divisor for all lists: a question whose texts the teacher finds all alike keeps a flat list.
    """
    spreads = [float(np.std(list(row.values()))) for row in scores.values() if len(row) > 1]
    spread = float(np.mean(spreads)) if spreads else 0.0
    found = {}
    for query, row in scores.items():
        best = max(row.values(), default=0.0)
        found[query] = {name: (value - best) / (spread or 1.0) for name, value in row.items()}
    return found


def _usable(example: Example, scores: dict[str, float]) -> bool:
    return any(name in scores for name in example.positives) and any(name in scores for name in example.negatives)


def _bind(teacher: Teacher, training_set: TrainingSet) -> None:
    bind = getattr(teacher, "bind", None)
    if bind is not None:
        bind(training_set)


def _key(question: str, texts: Sequence[str]) -> str:
    content = "\0".join((question, *texts)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()[:16]
