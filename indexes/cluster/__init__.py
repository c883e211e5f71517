"""Ingestion by several processes or machines: workers process the files, the driver commits the results."""
