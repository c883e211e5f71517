"""The commands of ``rag``, one file each; ``rag.cli.main`` loads the one that is called."""
