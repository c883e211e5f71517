"""``rag search QUESTION``"""

from __future__ import annotations

from typing import Any

import click

from rag.cli.options import Shared, asking_options, one_question, shared_options
from rag.cli.output import data, data_json, place, shorten, trace_text, words
from rag.cli.server import options_of, running_server
from rag.retrieval.filter_text import parse_filters
from rag.retrieval.hits import as_hit

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
    asked = one_question(question)
    filters = parse_filters(conditions)
    server = running_server(shared)
    if server is not None:
        with server:
            found = server.search(asked, shared.collection, hits=True, **options_of(shared, conditions))
        stages = {**found["trace"], "server": server.url}
        _show(shared, found["question"], found["hits"], found["notes"], found["timings_ms"], stages, trace)
        return
    from indexes import open_index
    from rag import build_retriever

    with open_index(shared.collection, settings=shared.settings) as index:
        result = build_retriever(index, settings=shared.settings).search(asked, filters=filters)
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
    for note in notes:
        words(f"note: {note}")
    if "retrieval.top_n" in shared.arguments:
        hits = hits[: shared.settings.retrieval.top_n]
    if shared.json:
        found: dict[str, Any] = {"query": query, "hits": hits, "timings_ms": timings}
        if trace:
            found["trace"] = stages
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
        data("\n" + trace_text(stages))
