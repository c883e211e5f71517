"""Train an embedding model on a dataset, and prove what it gained: python finetune.py data/handbook minilm tuned"""

import sys

from eval import finetune_embedder
from eval.finetune.embedder.options import EmbedderOptions
from rag import load_settings


def main(dataset: str, base: str, out: str) -> None:
    # A folder with train.jsonl and test.jsonl will do, and so will a BEIR folder; without a training split a quarter of
    # the questions becomes the test.
    found = finetune_embedder(
        dataset,
        base,
        out=out,
        options=EmbedderOptions(epochs=1, negatives=2),
        settings=load_settings(profile="offline"),
        say=print,
    )
    print(found.proof.to_text())
    print("\n".join(found.settings_lines))  # what rag.toml needs to use it


if __name__ == "__main__":
    main(*sys.argv[1:4])
