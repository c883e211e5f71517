"""The command ``rag-eval``: one file a command, loaded when it is called."""
