"""``python -m eval`` is ``rag-eval``."""

from eval.cli.main import main

if __name__ == "__main__":
    main(prog_name="python -m eval")
