"""``python -m eval.bench RACE [options]``: benchmarks; the race ``commands`` runs all commands on all datasets."""

from __future__ import annotations

import importlib
import sys

ROOMS = {
    "batches": "users.",
    "peers": "users.",
    "question": "users.",
    "runtimes": "users.",
    "start": "users.",
    "scale": "large.",
    "threads": "large.",
    "words": "reading.",
}  # races in packages of their own
RACES = ("encode", "rerank", "ingest", "query", "score", "finetune", "lists", "commands", "serve", "parallel", *ROOMS)


def main(argv: list[str]) -> int:
    """Run the race named by the first argument, and return the exit code."""
    if not argv or argv[0] not in RACES:
        sys.stderr.write(f"usage: python -m eval.bench {'|'.join(RACES)} [--json] [--help]\n")
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    return importlib.import_module(f"eval.bench.{ROOMS.get(argv[0], '')}{argv[0]}").main(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
