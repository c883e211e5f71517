"""Copying a collection to another store: points, record and manifest, without encoding anything. It is the backup."""
