"""Settings: the sections with their defaults, the loader for files, environment variables and arguments, and the
built-in profiles.
"""
