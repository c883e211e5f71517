"""The evaluation pages of ``rag serve``: runs with intervals, two runs compared, and what became of each question.

They read saved runs alone: no dataset, no index and no model.
"""
