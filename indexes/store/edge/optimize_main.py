"""Run Qdrant Edge's optimizers on one closed shard: ``python -P optimize_main.py FOLDER``.

``EdgeShard.optimize()`` holds the GIL for seconds to minutes, so it runs in a new process (a forked one would hang).
Prints one line: "optimized" or "nothing to do".
"""

import sys


def main(folder: str) -> int:
    """Optimise the shard in ``folder`` and return the exit status."""
    import qdrant_edge

    shard = qdrant_edge.EdgeShard.load(folder)
    changed = shard.optimize()
    shard.flush()
    shard.close()
    sys.stdout.write("optimized\n" if changed else "nothing to do\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
