"""The commands of ``rag``, one file each; ``rag.cli.main`` loads only the one that is called."""
