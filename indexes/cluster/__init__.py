"""Ingestion by many processes or machines: the files of a run spread over workers, and what they did committed here."""
