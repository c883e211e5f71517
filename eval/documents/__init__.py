"""Questions about real documents (headings, tables, file names), whose texts are not part of the package.

``questions.jsonl`` holds questions, file names and the offsets of the evidence in the text that our readers extract;
``rag-eval documents FOLDER`` asks them.
"""
