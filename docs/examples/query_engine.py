"""Index a folder, and ask it: python query_engine.py docs/en "Why are windows fetched when a question is asked?" """

import sys

from indexes import build_index
from rag import build_query_engine, load_settings


def main(folder: str, question: str) -> None:
    settings = load_settings(profile="offline")  # or your rag.toml: load_settings()
    with build_index(folder, collection="example", settings=settings) as index:
        engine = build_query_engine(index, settings=settings)
        response = engine.query(question)
        print(response)
        for number, citation in enumerate(response.metadata["citations"], start=1):
            print(f"[{number}]", citation["source"], citation.get("text", "")[:80])


if __name__ == "__main__":
    main(*sys.argv[1:3])
