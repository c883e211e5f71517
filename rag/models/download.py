"""Download a file over HTTP, with a short connection time-out, and resume a download that broke off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx

from indexes.errors import LLMError
from indexes.http import client_options, unanswered
from rag.models.partial import BLOCK, PartialFile

CONNECT = 5.0  # seconds after which a hub counts as unreachable
READ = 60.0
_NOT_REACHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol, httpx.InvalidURL)
PIECE = 32 * BLOCK  # bytes lost at most if a download breaks off


@dataclass(slots=True)
class NotReachedError(Exception):
    """The server did not answer, or does not have the file; ``why`` says so in words.

    >>> print(NotReachedError("it answered 404"))
    it answered 404
    """

    why: str

    def __str__(self) -> str:
        return self.why


def add_download(
    url: str, partial: PartialFile, *, size: int | None = None, progress: Callable[[int, int], None] | None = None
) -> None:
    """Append the missing part of the file at ``url``.

    Args:
        size: size of the whole file in bytes; None: as the server states.
        progress: called with bytes done and bytes in all.

    Raises:
        NotReachedError: the server cannot be reached or has no such file.
        LLMError: the connection broke; the next call resumes the download.
        DiskSpaceError: the disk cannot hold it.
    """
    headers = {"Range": f"bytes={partial.size}-"} if partial.size else {}
    options = client_options(url, READ, connect=CONNECT)
    try:
        with (
            httpx.Client(**options | {"follow_redirects": True}) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code == 416:  # the file is complete
                return
            if answer.status_code not in (200, 206):
                raise NotReachedError(f"it answered {answer.status_code}")
            if partial.size and answer.status_code == 200:
                raise LLMError(f"the download of {url} cannot be resumed", remedy="run it again with --restart")
            total = size or partial.size + int(answer.headers.get("content-length") or 0)
            partial.need(total)
            for piece in _pieces(answer.iter_bytes(BLOCK)):
                partial.add(str(len(partial.pieces)), piece)
                if progress is not None:
                    progress(partial.size, total)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = unanswered(error, options["timeout"]).detail
        if isinstance(error, _NOT_REACHED):
            raise NotReachedError(f"it cannot be reached ({detail})") from error
        raise LLMError(
            f"the download of {url} broke off ({detail})",
            remedy="run the command again to resume it",
        ) from error


def _pieces(blocks: Iterator[bytes]) -> Iterator[list[bytes]]:
    piece: list[bytes] = []
    held = 0
    for block in blocks:
        piece.append(block)
        held += len(block)
        if held >= PIECE:
            yield piece
            piece, held = [], 0
    if piece:
        yield piece
