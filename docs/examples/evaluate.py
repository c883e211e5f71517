"""Measure two pipelines on a dataset, and say whether their difference is real: python evaluate.py data/handbook"""

import sys

from eval import compare, evaluate, index_dataset, load_dataset
from rag import build_retriever, load_settings

MEASURES = ["MAP", "MRR@10", "NDCG@10"]


def main(path: str) -> None:
    dataset = load_dataset(path)  # BEIR, TREC, MTEB reranking, LlamaIndex or FlagEmbedding: recognised by its content
    settings = load_settings(profile="offline")
    runs = []
    with index_dataset(dataset, settings=settings) as index:
        for fusion in ("minmax", "dense"):
            changed = load_settings(profile="offline", **{"retrieval.fusion": fusion})
            retriever = build_retriever(index, settings=changed)
            runs.append(evaluate(retriever, dataset, MEASURES, name=fusion).run)
    print(compare(runs, dataset.qrels, MEASURES).verdicts[0].sentence)
    for run in runs:
        print(run.name, {measure: round(value, 4) for measure, value in run.scores.items()})


if __name__ == "__main__":
    main(sys.argv[1])
