"""Read the files that come on stdin, one path a line, and answer each with its CPU seconds. Run by path, in a process
whose PYTHONPATH is the tree to be measured, which need not be this one: nothing of this room is imported.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main() -> None:
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
