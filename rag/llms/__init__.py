"""TODO: the helper of this room writes the face."""
