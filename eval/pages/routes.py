"""Routes of the evaluation pages and of the evaluations in the JSON API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from eval.pages.words import WORDS
from rag.serve.errors import Problem
from rag.serve.incoming import require, service_of
from rag.serve.keys import ALL, AccessKey
from rag.serve.pages.added import AddedPages
from rag.serve.pages.common import login_page, page

if TYPE_CHECKING:
    from eval.pages.kept import Listed, Opened

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1", tags=["api"])
RUNS_A_PAGE = 20
QUESTIONS_A_PAGE = 50
COLUMNS = 4  # number of measures in the list


TEMPLATES = Path(__file__).parent / "templates"
LINKS = (("/eval", "Evaluation", "评测"),)


def evaluation_pages() -> AddedPages:
    """Return the pages, for the entry point ``ragwright.pages``.

    >>> evaluation_pages().links
    (('/eval', 'Evaluation', '评测'),)
    """
    whole = APIRouter()
    whole.include_router(router)
    whole.include_router(api)
    return AddedPages(whole, TEMPLATES, WORDS, LINKS)


def _show(request: Request, template: str, **values: Any) -> Response:
    from eval.measure.metrics import legend, shown

    return page(request, template, added=AddedPages(router, TEMPLATES, WORDS), shown=shown, legend=legend, **values)


def _allowed(request: Request) -> AccessKey | None:
    """Return the request's key. Runs hold texts of all collections, so a key for only some may not see them.

    Raises:
        Problem: "forbidden".
    """
    key: AccessKey | None = getattr(request.state, "key", None)
    if key is not None and (ALL not in key.collections or not key.may("read")):
        raise Problem("forbidden", "this key may not see evaluations", "use a key for all collections")
    return key


def _root(request: Request) -> Path:
    return service_of(request).settings.serve.runs.expanduser()


def _number(request: Request, name: str) -> int:
    value = request.query_params.get(name, "")
    return int(value) if value.isdigit() and len(value) < 8 else 0


async def _opened(request: Request, identity: str) -> tuple[Listed, Opened]:
    from eval.pages.kept import find_run, open_run
    from indexes.errors import SourceError

    try:
        listed = await asyncio.to_thread(find_run, _root(request), identity)
        return listed, await asyncio.to_thread(open_run, listed)
    except SourceError as error:
        raise Problem("not_found", error.what, error.remedy) from error


@router.get("/eval")
async def runs_page(request: Request) -> Response:
    """Show the saved runs, with intervals."""
    if _allowed(request) is None:
        return login_page(request)
    from eval.pages.kept import list_runs
    from eval.pages.views import run_groups

    found = await asyncio.to_thread(list_runs, _root(request))
    first = _number(request, "offset")
    groups = await asyncio.to_thread(run_groups, found[first : first + RUNS_A_PAGE], COLUMNS)
    values = {"groups": groups, "offset": first, "step": RUNS_A_PAGE, "total": len(found)}
    return _show(request, "runs.html", **values, folder=_root(request).name or "runs")


@router.get("/eval/run/{identity:path}")
async def run_page(request: Request, identity: str) -> Response:
    """Show one run: its measures with intervals, and its questions, worst first."""
    if _allowed(request) is None:
        return login_page(request)
    from eval.pages.views import question_rows

    listed, opened = await _opened(request, identity)
    measure = _measure(request, opened)
    words = request.query_params.get("words", "")
    rows = await asyncio.to_thread(question_rows, opened, measure, words)
    first = _number(request, "offset")
    return _show(
        request,
        "run.html",
        listed=listed,
        opened=opened,
        measure=measure,
        wanted=words,
        rows=rows[first : first + QUESTIONS_A_PAGE],
        total=len(rows),
        offset=first,
        step=QUESTIONS_A_PAGE,
    )


@router.get("/eval/question/{identity:path}")
async def question_page(request: Request, identity: str) -> Response:
    """Show one question of a run: what should have been found, what was, and where it was lost."""
    if _allowed(request) is None:
        return login_page(request)
    from eval.pages.views import question_view

    listed, opened = await _opened(request, identity)
    question = request.query_params.get("id", "")
    if question not in opened.run.questions:
        raise Problem("not_found", f"the run has no question {question[:80]!r}", "see the list on the run's page")
    view = await asyncio.to_thread(question_view, opened, question, _measure(request, opened))
    other = request.query_params.get("other", "")
    return _show(request, "eval_question.html", listed=listed, view=view, other=other)


@router.get("/eval/compare")
async def compare_page(request: Request) -> Response:
    """Show two runs: the verdict, the difference in each measure, and the questions that changed most."""
    if _allowed(request) is None:
        return login_page(request)
    from eval.pages.views import comparison_view
    from indexes.errors import RagWrightError

    chosen = list(dict.fromkeys(request.query_params.getlist("run")))
    if len(chosen) != 2:
        raise Problem("bad_request", f"{len(chosen)} runs are selected", "select two runs of one dataset")
    (old, first), (new, second) = [await _opened(request, identity) for identity in chosen]
    measure = _measure(request, first)
    try:
        view = await asyncio.to_thread(comparison_view, first, second, measure, (old.id, new.id))
    except RagWrightError as error:
        raise Problem("bad_request", error.what, error.remedy) from error
    return _show(request, "compare.html", old=old, new=new, view=view, measure=measure)


@api.get("/evaluations")
async def evaluations(request: Request) -> JSONResponse:
    """Return the saved runs with their scores."""
    require(request, "read")
    _allowed(request)
    from eval.pages.kept import list_runs

    found = await asyncio.to_thread(list_runs, _root(request))
    return JSONResponse({"runs": [listed.as_dict() for listed in found]})


@api.get("/evaluations/{identity:path}")
async def evaluation(request: Request, identity: str) -> JSONResponse:
    """Return one run: intervals of its measures, and each question's values and trace."""
    require(request, "read")
    _allowed(request)
    listed, opened = await _opened(request, identity)
    run = opened.run
    body = listed.as_dict() | {
        "intervals": {name: {"mean": m, "low": low, "high": high} for name, (m, low, high) in opened.intervals.items()},
        "queries": [
            {
                "id": query,
                "question": text,
                "values": {name: column[query] for name, column in opened.values.items() if query in column},
                "timings_ms": run.timings_ms.get(query, {}),
                "trace": run.details.get(query, {}).get("trace", []),
            }
            for query, text in run.questions.items()
        ],
    }
    return JSONResponse(body)


def _measure(request: Request, opened: Opened) -> str:
    wanted = request.query_params.get("measure", "")
    return wanted if wanted in opened.values else next(iter(opened.values))
