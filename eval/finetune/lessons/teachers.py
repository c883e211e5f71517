"""Teachers: models, files or pipelines that score the texts of a question, for a smaller model to learn from.

A teacher is named by a specification; several make one teacher, the mean of their standardised scores. Scores are
computed once and saved as they arrive, so that an interrupted run can be resumed.
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
    """Scores texts: higher is more relevant, on a scale of the teacher's choice; NaN if it has no score for a text.

    ``fingerprint`` is 16 hex digits that change if scores may change. A teacher that uses ids also has
    ``bind(training_set)``, called before the first score; one on a server has ``parallel``, the number of lists to
    send concurrently.

    >>> class Longest:  # a teacher of your own
    ...     name, fingerprint = "longest", "0" * 16
    ...     def score(self, question, texts):
    ...         return [float(len(text)) for text in texts]
    >>> MeanTeacher([Longest()]).score("When?", ["Fees.", "It opens at 6."])
    [-1.0, 1.0]
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def score(self, question: str, texts: Sequence[str]) -> list[float]: ...


def build_teacher(
    spec: str | Sequence[str], settings: Settings, *, retriever: Any = None, cache: str | Path | None = None
) -> Teacher:
    """Load the teacher of a specification.

    >>> from rag.settings import Settings
    >>> build_teacher("oracle", Settings())
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: 'oracle' is not a teacher; write it as file:PATH, cross_encoder:MODEL, llm:MODEL,
     embedder:PROVIDER[:MODEL], server:URL#MODEL or pipeline

    Args:
        spec: one of ``SPECS``; a sequence of several gives the mean of their scores, each standardised over a list.
            A server's URL that ends in /embeddings is an embedder, any other a reranker.
        settings: ``encoder`` and ``rerank`` give device, number format, lengths and key variable.
        retriever: for "pipeline", a ``HybridRetriever`` over the collection that the texts come from.
        cache: folder for an embedder's vectors, see ``cache_folder``.

    Raises:
        SettingsError: the specification is unknown.
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
    raise SettingsError(f"{spec!r} is not a teacher", remedy=f"write it as {SPECS}")


def check_specs(specs: Sequence[str], settings: Settings) -> None:
    """Refuse specifications that ``build_teacher`` would refuse later, without loading models.

    >>> from rag.settings import Settings
    >>> check_specs(["pipeline", "cross_encoder:BAAI/bge-reranker-v2-m3"], Settings())  # nothing is loaded
    >>> check_specs(["oracle:x"], Settings())
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: 'oracle:x' is not a teacher; write it as file:PATH, cross_encoder:MODEL, llm:MODEL,
     embedder:PROVIDER[:MODEL], server:URL#MODEL or pipeline

    Raises:
        SettingsError: there is no such teacher.
        SourceError: a teacher's file cannot be read.
    """
    for spec in specs:
        kind = spec.strip().partition(":")[0]
        if kind == "file":
            build_teacher(spec, settings)
        elif kind not in re.findall(r"(\w+):", SPECS) and spec.strip() != "pipeline":
            raise SettingsError(f"{spec!r} is not a teacher", remedy=f"write it as {SPECS}")


def _reranker(settings: Settings, **changes: Any) -> Any:
    from rag.rerankers import build_reranker

    return build_reranker(settings.rerank.model_copy(update=changes))


def _embedder(settings: Settings, name: str, cache: str | Path | None, base_url: str | None = None) -> Any:
    """Return an embedder as a reranker: the cosine of question and text."""
    from eval.measure.exact_search import EncoderReranker
    from eval.measure.indexing import cached_encoder
    from eval.measure.session import changed, embedder_changes

    found = embedder_changes(name)
    encoder: dict[str, Any] = {"provider": found["encoder.provider"], "model": found["encoder.model"]}
    if base_url is not None:
        encoder["base_url"] = base_url
    return EncoderReranker(cached_encoder(changed(settings, encoder=encoder, sparse={"kind": "none"}), cache))


class _Scorer:
    """Adapt an object with ``score(question, texts).raw`` and a fingerprint: a reranker, or an encoder's cosine."""

    def __init__(self, name: str, scorer: Any) -> None:
        self.name = name
        self.fingerprint: str = scorer.fingerprint
        self.parallel: int = getattr(scorer, "parallel", 1)
        self._scorer = scorer

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        return [float(value) for value in self._scorer.score(question, list(texts)).raw] if texts else []


class MeanTeacher:
    """The mean of several teachers' scores, each with mean 0 and standard deviation 1 over the list.

    >>> from types import SimpleNamespace
    >>> of = lambda *values: SimpleNamespace(name="t", fingerprint="0", score=lambda question, texts: list(values))
    >>> teacher = MeanTeacher([of(1.0, 3.0), of(100.0, 300.0)])  # on different scales
    >>> teacher.score("When?", ["Fees.", "It opens at 6."])
    [-1.0, 1.0]
    """

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
    """The fused score of the hybrid pipeline, which combines the dense and the sparse leg.

    A text gets the best score of the candidates inside it; a text that the pipeline did not find gets the question's
    lowest score.

    >>> from types import SimpleNamespace
    >>> from indexes.nodes.record import SentenceRecord
    >>> from rag.settings import Settings
    >>> of = lambda text, score: SimpleNamespace(record=SentenceRecord("d1", 0, text), window=None, fused_score=score)
    >>> found = SimpleNamespace(candidates=[of("It opens at 6.", 0.75), of("It shuts at 9.", 0.25)])
    >>> index = SimpleNamespace(encoder=SimpleNamespace(fingerprint=SimpleNamespace(digest="0")), collection="guide")
    >>> retriever = SimpleNamespace(settings=Settings(), index=index, search=lambda question: found)
    >>> PipelineTeacher(retriever).score("When?", ["It opens at 6.", "Fees."])  # fees were not found
    [0.75, 0.25]
    """

    name = "pipeline"

    def __init__(self, retriever: Any) -> None:
        self._retriever = retriever
        retrieval = retriever.settings.retrieval.model_dump(mode="json")
        self.fingerprint = digest([retriever.index.encoder.fingerprint.digest, retrieval, retriever.index.collection])
        self._ids: dict[str, str] = {}

    def bind(self, training_set: TrainingSet) -> None:
        """Take the ids of the texts, ``DOCUMENT`` or ``DOCUMENT#FIRST-LAST``."""
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
    """Return query id -> text id -> score, for the positives and negatives of each example.

    Texts without a score (missing from a file) are left out.

    >>> from types import SimpleNamespace
    >>> from eval.finetune.lessons.training_set import Example, TrainingSet
    >>> mined = TrainingSet([Example("q1", "When?", ("d1",), ("d2",))], {"d1": "It opens at 6.", "d2": "Fees."})
    >>> longest = lambda question, texts: [float(len(text)) for text in texts]
    >>> teacher = SimpleNamespace(name="longest", fingerprint="0" * 16, score=longest)
    >>> teacher_scores(teacher, mined, folder / "scores.jsonl")
    {'q1': {'d1': 14.0, 'd2': 5.0}}

    Args:
        path: jsonl file to which scores are appended as they arrive; scores in it are not computed again.

    Raises:
        SettingsError: the file holds another teacher's scores.
        SourceError: the file cannot be read, or no question has scores for both a positive and a negative.
    """
    _bind(teacher, training_set)
    found: dict[str, dict[str, float]] = {}
    with KeptRows(path, "a row of teacher's scores", "delete the file to compute them again") as file:
        if file.rows and file.rows[0].get("fingerprint") != teacher.fingerprint:
            raise SettingsError(
                f"{path} has the scores of another teacher ({file.rows[0].get('teacher')!r}, now {teacher.name!r})",
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
            # A question may have two lists, one with documents and one with sentences.
            found.setdefault(example.query, {}).update(kept[key])
    if not any(_usable(example, found[example.query]) for example in training_set.examples):
        raise SourceError(
            f"the teacher {teacher.name!r} has no scores for both a positive and a negative of any question",
            remedy="score the texts of mined.jsonl by their ids, or name another teacher",
        )
    return found


def unit_scores(scores: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return the scores minus each list's best, divided by the mean standard deviation within the lists.

    All lists have the same divisor, so that a list with similar scores stays flat.

    >>> unit_scores({"q1": {"d1": 3.0, "d2": 1.0}})
    {'q1': {'d1': 0.0, 'd2': -2.0}}
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
