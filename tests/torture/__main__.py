"""``python -m tests.torture [SEED] [SECONDS a campaign] [CAMPAIGN...]``: run them one after the other."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile

CAMPAIGNS = ("kills", "damage", "files", "filters", "servers", "finetuning")
SECONDS = 100


def main() -> int:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else random.SystemRandom().randrange(1 << 30)
    seconds = sys.argv[2] if len(sys.argv) > 2 else str(SECONDS)
    failed = []
    sys.stdout.write(f"seed {seed}: make torture SEED={seed} does the same again\n")
    with tempfile.TemporaryDirectory(prefix="ragwright-torture-") as folder:
        for name in sys.argv[3:] or CAMPAIGNS:
            sys.stdout.write(f"{name}: ")
            sys.stdout.flush()
            command = [sys.executable, "-m", f"tests.torture.{name}", folder, str(seed), seconds]
            environ = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
            done = subprocess.run(command, check=False, env=environ, capture_output=True, text=True)
            sys.stdout.write(done.stdout or "failed\n")
            if done.returncode:
                failed.append(name)
                sys.stdout.write(done.stderr[-6000:] + "\n")
            sys.stdout.flush()
    sys.stdout.write(f"seed {seed}: {', '.join(failed)} failed\n" if failed else f"seed {seed}: clean\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
