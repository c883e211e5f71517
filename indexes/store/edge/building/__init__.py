"""Building a collection's graph beside it: the copy, the process that works on it, and what was written meanwhile."""
