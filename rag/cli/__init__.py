"""The command ``rag``: one file a command; ``main.main`` is the click group.

Only click and the standard library are imported before a command runs, so that ``rag --help`` answers at once.
"""
