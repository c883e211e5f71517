"""A copy of a collection that is optimised beside it, and the changes made meanwhile."""
