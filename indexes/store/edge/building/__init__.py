"""Building the graph of a collection in a copy: the steps, and the process that works on the copy."""
