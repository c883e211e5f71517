"""One model of a table for all formats: cells with spans, whether there is a head, records of a form."""
