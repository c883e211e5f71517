"""The evaluation pages of ``rag serve``: runs with intervals, comparisons of two runs, and each question's trace.

They need only saved runs: no dataset, index or model.
"""
