"""One model of tables for all formats: cells with spans, detection of the head, fields of forms."""
