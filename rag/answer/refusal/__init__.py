"""When the honest reply is "not in these documents": floors, signals, and what they were fitted on."""
