"""``rag search QUESTION``"""

from __future__ import annotations

from typing import Any

import click

from indexes.display import counted
from rag.cli.matches import matched_spans
from rag.cli.options import Shared, asking_options, one_question, shared_options
from rag.cli.output import clean, data, data_json, note, place, trace_text, words
from rag.cli.page import dim, marked, out_width, snippet, unmarked, wrapped
from rag.cli.progress import Waiting
from rag.cli.server import options_of, running_server
from rag.retrieval.filter_text import parse_filters
from rag.retrieval.hits import as_hit

ON_SCREEN = 10  # hits printed unless --top-n says otherwise; JSON has all
SHOWN_CHARS = 240  # columns of a sentence; JSON has all of it

EPILOG = """\b
Examples:
  rag search "how are windows merged"
  rag search "窗口如何合并" --top-k 20 --fusion rrf --json
  rag search "price list" --filter "page>=3" --filter lang=en
"""


@click.command("search", epilog=EPILOG, short_help="Find the sentences that match a question.")
@click.argument("question", nargs=-1, required=True)
@asking_options
@shared_options
def command(shared: Shared, question: tuple[str, ...], trace: bool, conditions: tuple[str, ...]) -> None:
    """Find the sentences that match a question. No language model is needed, unless HyDE is on."""
    query_text = one_question(question)
    filters: Any = parse_filters(conditions)
    server = running_server(shared)
    if server is not None:
        with server:
            found = server.search(query_text, shared.collection, hits=True, **options_of(shared, conditions))
        stages = {**found["trace"], "server": server.url}
        _show(shared, found["question"], found["hits"], found["notes"], found["timings_ms"], stages, trace)
        return
    from indexes import open_index
    from rag.answer.language import detect_language
    from rag.assembly import build_search
    from rag.trace import Trace

    with (
        Waiting("opening the collection and its models") as waiting,
        open_index(shared.collection, settings=shared.settings) as index,
    ):
        waiting.now("searching")
        result = build_search(index, shared.settings).search(
            query_text, filters=filters, trace=Trace(query_text, language=detect_language(query_text))
        )
        hits = [as_hit(rank, candidate) for rank, candidate in enumerate(result.candidates, 1)]
    own = result.trace
    _show(shared, result.query, hits, own.notes, dict(own.timings_ms), own.as_dict(), trace)


def _show(
    shared: Shared,
    query: str,
    hits: list[dict[str, Any]],
    notes: list[str],
    timings: dict[str, float],
    stages: dict[str, Any],
    trace: bool,
) -> None:
    if "retrieval.top_n" in shared.arguments:
        hits = hits[: shared.settings.retrieval.top_n]
    if shared.json:
        data_json({"query": query, "hits": hits, "notes": notes, "timings_ms": timings, "trace": stages})
        for text in notes:
            note(text)
        return
    if not hits:
        words("nothing found")
    limit = len(hits) if "retrieval.top_n" in shared.arguments else ON_SCREEN
    for hit in hits[:limit]:
        _show_hit(query, hit, out_width())
    for number, text in enumerate(notes):
        note(text, apart=number == 0)
    if hits:
        more = f"{limit} of {counted(len(hits), 'hit')}; --top-n {len(hits)} shows all; " if len(hits) > limit else ""
        words(f"{more}{_meaning(hits)}", style={"dim": True})
    if trace:
        data("\n" + trace_text(stages))


def _show_hit(query: str, hit: dict[str, Any], width: int | None) -> None:
    """Show where a hit is, and below it the part of the sentence that matches."""
    remark = f"  ({_how(hit)})"
    mark = f"{hit['rank']:>3}. "
    room = None if width is None else width - len(mark) - len(remark)
    where = place(hit["source"], hit["heading"], hit["page"], hit.get("place"), room=room)
    data(f"{mark}{click.style(where, bold=True)}{dim(remark)}", styled=True)
    text = unmarked(clean(" ".join(str(hit["text"]).split())))
    shown = snippet(text, matched_spans(query, text), SHOWN_CHARS)
    data(marked(wrapped(shown, width, "     ")), styled=True)


def _how(hit: dict[str, Any]) -> str:
    """Return how a hit was found: its ranks in the two legs, and the reranker's score."""
    legs = (("meaning", hit["dense_rank"]), ("words", hit["sparse_rank"]))
    found = ", ".join(f"{name} {rank}" for name, rank in legs if rank is not None)
    judged = f"relevance {hit['rerank_score']:.2f}" if hit["rerank_score"] is not None else ""
    return "; ".join(filter(None, (judged, found))) or "found by its neighbours"


def _meaning(hits: list[dict[str, Any]]) -> str:
    judged = any(hit["rerank_score"] is not None for hit in hits)
    relevance = "relevance: the reranker's score, 0 to 1; " if judged else ""
    return f"{relevance}meaning and words: rank in each of the two searches"
