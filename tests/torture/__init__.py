"""Torture: campaigns of kills, damage, hostile files, filters and faulty servers, by a seed that is printed.

``make torture`` runs all of them, some ten minutes; they are no part of the suite. Each is a program of its own,
``python -m tests.torture.NAME FOLDER SEED SECONDS``, which exits 0 where nothing broke.
"""
