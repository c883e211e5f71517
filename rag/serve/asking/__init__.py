"""Searches and answers within queues and deadlines, for questions from every door."""
