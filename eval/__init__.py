"""eval: measure and improve. In this version it holds the speed races (``python -m eval.bench``)."""
