"""The command ``rag``: one file per command; ``main.main`` is the click group.

Only click and the standard library are imported before a command runs, so that ``rag --help`` answers at once.
"""
