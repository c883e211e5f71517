"""The pages for questions: an answer, its feedback, and what each stage of a search found."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from rag.serve.api.bodies import answer_body, passage_row, read_question
from rag.serve.asking.answers import at_end
from rag.serve.errors import Problem, problem_of
from rag.serve.feedback import keep_feedback
from rag.serve.incoming import service_of
from rag.serve.keys import AccessKey
from rag.serve.openai.chat import public_trace
from rag.serve.pages.common import (
    CHOICES,
    as_body,
    check_own_page,
    form_of,
    page,
    question_link,
    reader_of,
    seen,
)
from rag.serve.service import Service
from rag.serve.wire import document_link

router = APIRouter(include_in_schema=False)
MOST_ROWS = 20  # shown per stage


@router.get("/")
async def ask_page(request: Request) -> Response:
    """Show the question form; a script asks at once if the address holds a question."""
    key, service = reader_of(request), service_of(request)
    return _show(request, service, await seen(service, key), dict(request.query_params))


@router.post("/")
async def ask_post(request: Request) -> Response:
    """Show the finished answer, for a browser without script."""
    key, service = reader_of(request), service_of(request)
    check_own_page(request)
    form = await form_of(request)
    names = await seen(service, key)
    try:
        result = await _answer(request, service, key, form)
    except Exception as error:  # noqa: BLE001 - shown on the page
        return _show(request, service, names, form, problem=problem_of(error))
    return _show(request, service, names, form, result=result)


def _show(
    request: Request,
    service: Service,
    names: list[str],
    form: dict[str, str],
    *,
    result: dict[str, Any] | None = None,
    problem: Problem | None = None,
) -> Response:
    status = 200 if problem is None else problem.status("page")
    values: dict[str, Any] = {"names": names, "form": form, "result": result, "problem": problem}
    return page(request, "ask.html", status, **values, feedback=service.settings.serve.feedback)


async def _answer(request: Request, service: Service, key: AccessKey, form: dict[str, str]) -> dict[str, Any]:
    if not key.may("ask"):
        raise Problem("forbidden", "this key may not ask", "make one with 'rag key new NAME --scope read,ask'")
    question = read_question(as_body(form) | {"trace": True}, service)
    serve = service.settings.serve
    events = service.ask(key, question, first=serve.first_word_seconds, whole=serve.answer_seconds)
    passages, response = await at_end(events)
    result = answer_body(request, question, response, passages)
    rows = [passage_row(passage, question.collection) for passage in passages]
    cited: dict[int, list[str]] = {}
    for row in result["citations"]:
        cited.setdefault(row["number"], []).append(row["text"])
        row["link"] = document_link(question.collection, row["document_id"], row.get("sentence_id"), row["text"])
    for row in rows:
        row["link"] = document_link(question.collection, row["document_id"], row["sentence_id"])
    links = {row["number"]: row["link"] for row in [*rows, *reversed(result["citations"])]}
    marks = {number: (link, "\n".join(cited.get(number, []))) for number, link in links.items()}
    own = {"passages": rows, "marks": marks, "collection": question.collection, "link": question_link(form)}
    return result | own | {"citations_json": json.dumps(result["citations"], ensure_ascii=False)}


@router.post("/feedback")
async def feedback_post(request: Request) -> Response:
    """Store a verdict on an answer, from a form without script."""
    reader_of(request, "ask")
    service = service_of(request)
    check_own_page(request)
    if not service.settings.serve.feedback:
        raise Problem("not_found", "feedback is off", "set serve.feedback = true")
    form: dict[str, Any] = dict(await form_of(request))
    try:
        form["citations"] = json.loads(form.get("citations") or "[]")
    except ValueError:
        form["citations"] = []
    await asyncio.to_thread(keep_feedback, service.settings.store, form)
    return RedirectResponse("/?thanks=1", 303)


@router.get("/search")
async def search_page(request: Request) -> Response:
    """Show both legs, fused and reranked, side by side, and a second setting beside the first if one is chosen."""
    key, service = reader_of(request, "read"), service_of(request)
    form = dict(request.query_params)
    sides: list[dict[str, Any]] = []
    problem: Problem | None = None
    if form.get("question", "").strip():
        ends = [""] + ["_b"] * any(form.get(f"{name}_b") for name in CHOICES)
        try:
            sides = [await _side(service, key, form, end) for end in ends]
        except Exception as error:  # noqa: BLE001 - shown on the page
            problem = problem_of(error)
    names = await seen(service, key)
    return page(request, "search.html", names=names, form=form, sides=sides, problem=problem)


async def _side(service: Service, key: AccessKey, form: dict[str, str], end: str) -> dict[str, Any]:
    """Return what one setting found."""
    question = read_question(as_body(form, end) | {"trace": True}, service)
    found = await service.search(key, question, deadline=service.settings.serve.search_seconds, route="page")
    trace = public_trace(found.result.trace.as_dict())
    set_here = [f"{name} {form[name + end]}" for name in CHOICES if form.get(name + end)]
    return {
        "settings": ", ".join(set_here),
        "columns": stage_columns(trace),
        "notes": found.notes,
        "timings": trace["timings_ms"],
        "texts": [*trace.get("rewritten", []), *trace.get("hypothetical", [])],
    }


def stage_columns(trace: dict[str, Any], most: int = MOST_ROWS) -> list[dict[str, Any]]:
    """Return the candidates as each stage ranked them, with how far they moved since the stage before.

    >>> rows = [{"id": "a", "dense_rank": 1, "dense_score": 0.8}, {"id": "b", "sparse_rank": 1, "sparse_score": 3.1}]
    >>> [(column["stage"], [row["id"] for row in column["rows"]]) for column in stage_columns({"candidates": rows})]
    [('dense', ['a']), ('sparse', ['b'])]
    """
    candidates = trace["candidates"]
    columns: list[dict[str, Any]] = []
    before: dict[str, int] = {}
    for stage, rank_key, score_key in (
        ("dense", "dense_rank", "dense_score"),
        ("sparse", "sparse_rank", "sparse_score"),
        ("fused", None, "fused_score"),
        ("reranked", None, "rerank_score"),
    ):
        rows = [row for row in candidates if row.get(rank_key or score_key) is not None]
        if not rows:
            continue
        if rank_key is None:
            rows = sorted(rows, key=lambda row: -row[score_key])
        else:
            rows = sorted(rows, key=lambda row: row[rank_key])
        ranks = {row["id"]: place for place, row in enumerate(rows, 1)}
        columns.append(
            {
                "stage": stage,
                "rows": [
                    {
                        **row,
                        "rank": ranks[row["id"]],
                        "value": row.get(score_key),
                        "move": before[row["id"]] - ranks[row["id"]] if row["id"] in before else None,
                    }
                    for row in rows[:most]
                ],
            }
        )
        before = ranks if stage != "dense" else {}
    return columns
