"""Read files whose paths come on stdin, one per line, and print the CPU seconds of each.

Run by path, with the tree to measure as PYTHONPATH; this may be another checkout, so this package is not imported.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main() -> None:
    """Read paths from stdin until it ends."""
    from indexes.errors import RagWrightError
    from indexes.readers import read_file

    for line in sys.stdin:
        start = time.process_time()
        try:
            read_file(Path(line.rstrip("\n")))
            answer = f"{time.process_time() - start}"
        except RagWrightError as error:  # such a file is not compared
            answer = f"- {type(error).__name__}"
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
