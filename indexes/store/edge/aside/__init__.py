"""A copy of a collection that is being optimised beside it, and what was written meanwhile."""
