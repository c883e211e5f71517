"""``rag search QUESTION``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rag.cli.options import Shared, asking_options, one_question, shared_options
from rag.cli.output import data, data_json, place, shorten, trace_text, words
from rag.retrieval.filter_text import parse_filters

if TYPE_CHECKING:
    from rag.retrieval.candidate import Candidate

ON_SCREEN = 10  # hits printed unless --top-n says otherwise; JSON has all
SHOWN_CHARS = 300  # of a sentence; JSON has it whole

EPILOG = """\b
Examples:
  rag search "how are windows merged"
  rag search "窗口如何合并" --top-k 20 --fusion rrf --json
  rag search "price list" --filter "page>=3" --filter lang=en
"""


@click.command("search", epilog=EPILOG, short_help="Find the sentences that fit a question.")
@click.argument("question", nargs=-1, required=True)
@asking_options
@shared_options
def command(shared: Shared, question: tuple[str, ...], trace: bool, conditions: tuple[str, ...]) -> None:
    """Find the sentences that fit a question. No language model is needed, unless HyDE is on."""
    from indexes import open_index
    from rag import build_retriever

    asked = one_question(question)
    filters = parse_filters(conditions)
    with open_index(shared.collection, settings=shared.settings) as index:
        result = build_retriever(index, settings=shared.settings).search(asked, filters=filters)
    for note in result.trace.notes:
        words(f"note: {note}")
    hits = [as_hit(rank, candidate) for rank, candidate in enumerate(result.candidates, 1)]
    if "retrieval.top_n" in shared.arguments:
        hits = hits[: shared.settings.retrieval.top_n]
    if shared.json:
        found: dict[str, Any] = {"query": result.query, "hits": hits, "timings_ms": dict(result.trace.timings_ms)}
        if trace:
            found["trace"] = result.trace.as_dict()
        data_json(found)
        return
    if not hits:
        words("nothing found")
    limit = len(hits) if "retrieval.top_n" in shared.arguments else ON_SCREEN
    for hit in hits[:limit]:
        where = place(hit["source"], hit["heading"], hit["page"], hit.get("place"))
        data(f"{hit['rank']:>3}. {where}  ({hit['score']:.3f})")
        data(f"     {shorten(hit['text'], SHOWN_CHARS)}")
    if len(hits) > limit:
        words(f"{limit} of {len(hits)} hits; --top-n {len(hits)} shows all")
    if trace:
        data("\n" + trace_text(result.trace.as_dict()))


def as_hit(rank: int, candidate: Candidate) -> dict[str, Any]:
    """One entry of "hits"."""
    record = candidate.record
    found = record.metadata.get("place")
    return {
        "rank": rank,
        "id": candidate.id,
        "score": candidate.score,
        "text": record.text,
        "window": candidate.window if candidate.window is not None else record.text,
        "source": record.source,
        "heading": record.heading,
        "page": record.page,
        **({"place": found} if found else {}),
        "dense_rank": candidate.dense_rank,
        "sparse_rank": candidate.sparse_rank,
        "rerank_score": candidate.rerank_score,
    }
