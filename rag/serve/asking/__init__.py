"""Asking: searches and answers within queues and deadlines, whatever door the question came through."""
