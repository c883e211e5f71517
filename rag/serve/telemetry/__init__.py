"""What the server counts and traces: Prometheus metrics and OpenTelemetry spans."""
