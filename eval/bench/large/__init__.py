"""A race over collections of hundreds of thousands of sentences and more: before and after their graph is built."""
