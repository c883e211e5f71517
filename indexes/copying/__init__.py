"""Copy a collection to another store (points, record and manifest) without encoding; also used for backups."""
