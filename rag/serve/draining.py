"""DrainingServer: an orderly shutdown. New requests are refused, running ones get time, then everything is closed."""

from __future__ import annotations

import os
import time
from types import FrameType
from typing import Any

import uvicorn

LAST_WORDS = 3.0  # seconds for ended streams to tell their clients
INTERRUPTED = 130  # exit status of a process that a second signal ended


class DrainingServer(uvicorn.Server):
    """A server that drains at the first SIGTERM or Ctrl-C, and ends at once at the second.

    While it drains, ``/readyz`` and every new request get 503. It ends when no request is running; after
    ``drain_seconds`` running answers end with an error, and soon after everything else.

    Args:
        config: its application has ``state.service`` and ``state.jobs``.
        drain_seconds: seconds for running requests.
    """

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        super().__init__(config)
        self._state: Any = config.app.state  # type: ignore[union-attr]
        self._seconds = drain_seconds
        self._since: float | None = None
        self._reported = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal; the event loop does the work, since a handler may interrupt anything."""
        if self._since is None:
            self._since = time.monotonic()
            self._state.service.state = "draining"
        else:
            os._exit(INTERRUPTED)  # threads that compute would keep the process alive

    async def on_tick(self, counter: int) -> bool:
        if self._since is not None and not self.should_exit:
            spent = time.monotonic() - self._since
            self._state.jobs.stop()
            if spent > self._seconds and not self._reported:
                self._reported = True
                self._state.service.answers.end()
            self.should_exit = not self.server_state.tasks or spent > self._seconds + LAST_WORDS
        return await super().on_tick(counter)
