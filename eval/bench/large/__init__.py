"""A race over large collections, before and after their graph is built."""
