"""The MCP tools, over any backend with the calls of the server's JSON API: the server itself, or a client of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from indexes.errors import RagWrightError
from rag.serve.errors import Problem, problem_of
from rag.serve.mcp import texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp.server import MCPServer

SEARCH = (
    "Search the user's own documents and return numbered passages with their sources. Use it before answering any "
    "question about them."
)
INSTRUCTIONS = (
    "These tools search and quote the user's own documents. Search before you answer a question about them, quote "
    "passages by their [n] and source, and say so when the documents do not hold the answer."
)
DOCUMENTS_A_PAGE = 50
NAMED = 20  # collections that the instructions name


class Backend(Protocol):
    """What the tools need: the calls of the JSON API as coroutines over plain values."""

    async def search(self, body: dict[str, Any]) -> dict[str, Any]: ...

    async def ask(self, body: dict[str, Any]) -> dict[str, Any]: ...

    async def collections(self) -> list[dict[str, Any]]: ...

    async def documents(self, collection: str, name: str, offset: int, limit: int) -> dict[str, Any]: ...

    async def window(self, collection: str, sentence: str, before: int, after: int) -> list[dict[str, Any]]: ...

    async def add_text(self, collection: str, title: str, text: str) -> str: ...

    async def delete_document(self, collection: str, document: str) -> str: ...


def build_mcp(
    backend: Backend,
    *,
    default_collection: str,
    collections: Sequence[str] = (),
    write: bool = False,
    search_description: str | None = None,
) -> MCPServer:
    """Build the MCP server with its tools.

    Args:
        backend: does the work.
        default_collection: collection used if ``collection`` is empty.
        collections: names listed to the model in the server's instructions.
        write: whether to offer ``add_text`` and ``delete_document``.
        search_description: replaces the description by which a model decides when to search.
    """
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import ToolAnnotations

    from rag.serve.telemetry.metrics import package_version

    named = f"The collections are: {', '.join(collections[:NAMED])}. " if collections else ""
    about = f"{INSTRUCTIONS} {named}Without a collection the tools use {default_collection!r}; list_documents shows it."
    server = MCPServer(
        "ragwright", title="RagWright", instructions=about, version=package_version(), log_level="WARNING"
    )
    reading = ToolAnnotations(read_only_hint=True, open_world_hint=False)

    @contextmanager
    def explained() -> Iterator[None]:
        """Turn errors into ToolErrors: only those reach the model, every other exception is masked."""
        try:
            yield
        except (Problem, RagWrightError) as error:
            raise ToolError(str(problem_of(error))) from error

    def tool(name: str, title: str, description: str, annotations: Any) -> Callable[[Any], Any]:
        def register(function: Callable[..., Awaitable[str]]) -> Callable[..., Awaitable[str]]:
            server.tool(
                name=name, title=title, description=description, annotations=annotations, structured_output=False
            )(function)
            return function

        return register

    def body_of(text: str, collection: str, filter_text: str) -> dict[str, Any]:
        filters = [part.strip() for part in filter_text.split(" and ") if part.strip()]
        return {"question": text, "collection": collection or default_collection, "filters": filters}

    @tool("search", "Search the documents", search_description or SEARCH, reading)
    async def search(query: str, top_k: int = 8, collection: str = "", filter: str = "") -> str:
        with explained():
            body = body_of(query, collection, filter) | {"top_k": max(1, min(30, top_k))}
            return texts.search_text(await backend.search(body))

    @tool(
        "ask",
        "Ask the documents",
        "Answer a question from the documents, with citations that were checked against them.",
        reading,
    )
    async def ask(question: str, collection: str = "", filter: str = "") -> str:
        with explained():
            return texts.ask_text(await backend.ask(body_of(question, collection, filter)))

    @tool("read", "Read around a passage", "Read the sentences around one that search found, by its id.", reading)
    async def read(id: str, before: int = 3, after: int = 3, collection: str = "") -> str:
        with explained():
            before, after = max(0, min(50, before)), max(0, min(50, after))
            rows = await backend.window(collection or default_collection, id, before, after)
            return texts.read_text(rows, rows[0]["id"] if rows else None, rows[-1]["id"] if rows else None)

    @tool("list_collections", "List collections", "List the collections of documents that can be searched.", reading)
    async def list_collections() -> str:
        with explained():
            return texts.collections_text(await backend.collections())

    @tool("list_documents", "List documents", "List the documents of a collection, 50 at a time.", reading)
    async def list_documents(collection: str = "", name_contains: str = "", offset: int = 0) -> str:
        with explained():
            name = collection or default_collection
            found = await backend.documents(name, name_contains, max(0, offset), DOCUMENTS_A_PAGE)
            return texts.documents_text(found)

    if write:

        @tool(
            "add_text",
            "Add a text",
            "Add a text to a collection; the same title again replaces it.",
            ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False),
        )
        async def add_text(title: str, text: str, collection: str = "") -> str:
            with explained():
                return await backend.add_text(collection or default_collection, title, text)

        @tool(
            "delete_document",
            "Delete a document",
            "Delete a document from a collection, by its id from list_documents.",
            ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False),
        )
        async def delete_document(id: str, collection: str = "") -> str:
            with explained():
                return await backend.delete_document(collection or default_collection, id)

    return server
