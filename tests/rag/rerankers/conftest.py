from tests.rag.rerankers.rerank_fixtures import llama_folder, one_thread, rerank_server, xlmr_folder

__all__ = ["llama_folder", "one_thread", "rerank_server", "xlmr_folder"]
