"""Building a collection's graph beside it: the steps, and the process that works on the copy."""
