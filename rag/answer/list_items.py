"""Items of lists: an answer neither cuts an item of several sentences nor joins it to the next one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from indexes.nodes.record import SentenceRecord, join_records
from rag.retrieval.candidate import Passage

REACH = 6  # sentences fetched on each side if a passage begins or ends within an item
_MARK = re.compile(r"\s*(?:[-*+•·▪◦]\s|\(?\d{1,3}[.)、）](?!\d)|[（(]?[一二三四五六七八九十]{1,3}[、）)])")

Windows = Callable[[Sequence[SentenceRecord], int], Mapping[str, Sequence[SentenceRecord]]]


def is_row(record: SentenceRecord) -> bool:
    """Return whether a record is a row of a table or the first sentence of a list item.

    >>> is_row(SentenceRecord("x.md", 0, "- Boats wait outside.")), is_row(SentenceRecord("x.md", 1, "They leave."))
    (True, False)
    """
    return record.kind == "table" or (record.kind == "text" and bool(_MARK.match(record.text)))


def in_items(records: Sequence[SentenceRecord]) -> list[list[SentenceRecord]]:
    """Group records: the sentences of a list item together, all others alone.

    >>> texts = "Rules:", "- Wait outside.", "Do not anchor.", "- Pay the fee."
    >>> records = [SentenceRecord("x.md", i, text, after=" \\n"[i % 2 == 0 or i == 2]) for i, text in enumerate(texts)]
    >>> [[record.text for record in item] for item in in_items(records)]
    [['Rules:'], ['- Wait outside.', 'Do not anchor.'], ['- Pay the fee.']]
    """
    found: list[list[SentenceRecord]] = []
    for record in records:
        last = found[-1][-1] if found else None
        if last is not None and is_row(found[-1][0]) and _goes_on(last, record):
            found[-1].append(record)
        else:
            found.append([record])
    return found


def one_record(item: Sequence[SentenceRecord]) -> SentenceRecord:
    """Join an item to one record with the id of its first sentence.

    >>> one_record([SentenceRecord("x.md", i, text, after=" ") for i, text in enumerate(("- Wait.", "Pay."))]).text
    '- Wait. Pay.'
    """
    if len(item) == 1:
        return item[0]
    return replace(item[0], text=join_records(list(item)), end=item[-1].end, after=item[-1].after)


def with_whole_items(passages: Sequence[Passage], windows: Windows) -> list[Passage]:
    """Complete the list items that passages begin or end within.

    >>> texts = ["1. Open the valve.", "Wait a minute.", "2. Close it."]
    >>> records = [SentenceRecord("a.md", i, text, after=" ") for i, text in enumerate(texts)]
    >>> around = lambda edges, reach: {edge.id: records for edge in edges}
    >>> with_whole_items([Passage(1, records[:1], [], 0.9)], around)[0].text
    '1. Open the valve. Wait a minute.'

    Args:
        windows: returns the sentences around records, by id, as the collection's ``windows`` does.
    """
    edges = [edge for one in passages for edge in (one.sentences[0], one.sentences[-1]) if edge.kind == "text"]
    around = windows(edges, REACH) if edges else {}
    return [_completed(passage, around) for passage in passages]


def _completed(passage: Passage, around: Mapping[str, Sequence[SentenceRecord]]) -> Passage:
    first, last = passage.sentences[0], passage.sentences[-1]
    before = [one for one in around.get(first.id, ()) if one.position < first.position]
    after = [one for one in around.get(last.id, ()) if one.position > last.position]
    sentences = list(passage.sentences)
    if not is_row(first):
        lead: list[SentenceRecord] = []
        for record in reversed(before):
            if not _goes_on(record, (lead or sentences)[0]):
                break
            lead.insert(0, record)
            if is_row(record):
                sentences = [*lead, *sentences]
                break
    if is_row(in_items(sentences)[-1][0]):
        for record in after:
            if not _goes_on(sentences[-1], record):
                break
            sentences.append(record)
    return passage if len(sentences) == len(passage.sentences) else replace(passage, sentences=sentences)


def _goes_on(one: SentenceRecord, following: SentenceRecord) -> bool:
    """Return whether the second record belongs to the same item: on the same line, without a list mark."""
    return (
        one.kind == following.kind == "text"
        and one.section == following.section
        and "\n" not in one.after
        and not is_row(following)
    )
