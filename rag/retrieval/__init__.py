"""Find sentences by both legs, fuse their scores, and widen the best to windows: a question in, passages out."""
