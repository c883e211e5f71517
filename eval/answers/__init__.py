"""Score answers: string measures, citations, a judge, and robustness to noise."""
