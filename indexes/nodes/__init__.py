"""Documents to nodes: every sentence once, with its place in the document."""

from indexes.nodes.record import SentenceRecord, point_id
from indexes.nodes.sentence_window import SentenceWindowNodeParser, iter_records

__all__ = ["SentenceRecord", "SentenceWindowNodeParser", "iter_records", "point_id"]
