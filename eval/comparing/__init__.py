"""Compare runs: differences, significance, latency, the gate and the worst questions."""
