"""Warm up a new head on questions made from the documents alone, with the pipeline as teacher.

An encoder that never read two texts together must learn matching before relevance, and a few hundred labelled questions
are too few for that. Any sentence or title of the documents can serve as a question; what the pipeline finds for it,
with fused scores, is a list to imitate. No labels or language model are needed (distillation of a retriever's own
scores; compare Ram et al., arXiv 2112.07708, on self-supervised questions).
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets.dataset import Dataset
from eval.datasets.questions import wording
from eval.finetune.reranker.rows import LABEL, QUESTION, TEXTS, Rows
from eval.ticks import Tick, ticking
from indexes.files import write_whole

if TYPE_CHECKING:
    from rag.retrieval.hybrid import HybridRetriever

RANKS = ((0, 0), (1, 1), (2, 2), (3, 6), (5, 12), (10, 20), (18, 49))  # draw one candidate from each range of ranks
STRANGERS = 4  # texts of other questions per list, which are easy to learn first
LEAST_WORDS, SPAN_WORDS = 6, (5, 12)
TEMPERATURE = 0.12  # temperature of fused scores, which are between 0 and 1


def document_questions(
    dataset: Dataset, *, limit: int, seed: int, held_out: Sequence[str] = ()
) -> dict[str, tuple[str, str]]:
    """Return id -> (question, the text it was taken from): titles, sentences, and spans of sentences.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> notice = CorpusPassage("d1", text="A tenant may leave after a notice of three months.")
    >>> document_questions(Dataset("mine", {"d1": notice}, {}, {}), limit=2, seed=7)
    {'self:0:d1': ('may leave after a notice of three months.', 'A tenant may leave after a notice of three months.'),
     'self:1:d1': ('A tenant may leave after a notice of three', 'A tenant may leave after a notice of three months.')}

    Args:
        limit: maximum number of questions.
        seed: random seed.
        held_out: questions that must not be repeated (those of dev and test).
    """
    from indexes.text.sentences import split_sentences

    draw = random.Random(seed)  # noqa: S311 - no secret
    known = {wording(text) for text in held_out}
    passages = list(dataset.corpus.values())
    draw.shuffle(passages)
    found: dict[str, tuple[str, str]] = {}
    for passage in passages * (2 + 2 * limit // max(1, len(passages))):  # some give no question
        if len(found) >= limit:
            break
        sentences = [passage.text[span.start : span.end] for span in split_sentences(passage.text)]
        title = passage.title.strip()
        source = title if title and (draw.random() < 0.5 or not sentences) else draw.choice(sentences or [""])
        question = _span(source, draw) if draw.random() < 0.5 or not title else source
        if question and wording(question) not in known:
            found[f"self:{len(found)}:{passage.id}"] = (question, source)
    return found


def _span(source: str, draw: random.Random) -> str:
    """Draw some consecutive words (characters, in languages without blanks) of a text; "" if it is too short."""
    words = source.split()
    joint = " "
    if len(words) < LEAST_WORDS and len(source) >= 3 * LEAST_WORDS:
        words, joint = list(source), ""
    if len(words) < LEAST_WORDS:
        return ""
    low, high = SPAN_WORDS if joint else (2 * SPAN_WORDS[0], 2 * SPAN_WORDS[1])
    size = draw.randint(min(low, len(words)), min(high, len(words)))
    start = draw.randint(0, len(words) - size)
    return joint.join(words[start : start + size])


def warm_up_lists(
    retriever: HybridRetriever,
    questions: Mapping[str, tuple[str, str]],
    path: Path,
    *,
    seed: int,
    progress: Tick | None = None,
) -> Rows:
    """Return rows for ListNet: each question with candidates from all its ranking and texts of other questions.

    Labels are the pipeline's fused scores divided by a temperature, and 0 for texts of other questions. The rows are
    saved in ``path``.

    >>> from types import SimpleNamespace
    >>> from indexes.nodes.record import SentenceRecord
    >>> from rag.retrieval.candidate import Candidate
    >>> from rag.settings import Settings
    >>> scores = {"It opens at 6.": 0.75, "Fees.": 0.25}
    >>> found = [Candidate(SentenceRecord("d1", 0, text), 0.9, fused_score=score) for text, score in scores.items()]
    >>> search = lambda question: SimpleNamespace(candidates=found)
    >>> retriever = SimpleNamespace(settings=Settings(), search=search)
    >>> questions = {"self:0:d1": ("opens", "It opens at 6.")}
    >>> rows = warm_up_lists(retriever, questions, folder / "rows.jsonl", seed=7)
    >>> rows[TEXTS], [[round(label, 2) for label in labels] for labels in rows[LABEL]]
    ([['Fees.', 'It opens at 6.']], [[2.08, 6.25]])
    """
    read_window = retriever.settings.rerank.read == "window"
    draw = random.Random(seed)  # noqa: S311 - no secret
    rows: Rows = {QUESTION: [], TEXTS: [], LABEL: []}
    strangers: list[str] = []
    for question, _ in ticking(questions.values(), progress):
        candidates = retriever.search(question).candidates
        places = sorted({draw.randint(*span) for span in RANKS})
        chosen = [candidates[place] for place in places if place < len(candidates)]
        texts = [(c.window if read_window else None) or c.record.text for c in chosen]
        scores = [float(c.fused_score or 0.0) for c in chosen]
        foreign = [text for text in strangers if text not in texts]
        others = draw.sample(foreign, min(STRANGERS, len(foreign)))
        strangers = (strangers + texts[:3])[-600:]
        texts, scores = [*texts, *others], [*scores, *[0.0] * len(others)]
        if len(texts) > 1:
            order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
            rows[QUESTION].append(question)
            rows[TEXTS].append([texts[i] for i in order])
            rows[LABEL].append([scores[i] / TEMPERATURE for i in order])
    _save_rows(rows, path)
    return rows


def _save_rows(rows: Rows, path: Path) -> None:
    """Write rows as JSON."""
    lines = (json.dumps(dict(zip(rows, values, strict=True))) for values in zip(*rows.values(), strict=True))
    write_whole(path, "".join(line + "\n" for line in lines))


def load_rows(path: Path) -> Rows:
    """Read rows written by ``_save_rows``.

    >>> rows = {QUESTION: ["When?"], TEXTS: [["It opens at 6.", "Fees."]], LABEL: [[1.0, 0.0]]}
    >>> _save_rows(rows, folder / "rows.jsonl")
    >>> load_rows(folder / "rows.jsonl") == rows
    True
    """
    with path.open(encoding="utf-8", newline="\n") as file:
        rows: list[dict[str, Any]] = [json.loads(line) for line in file]
    return {key: [row[key] for row in rows] for key in (QUESTION, TEXTS, LABEL)}
