"""Settings: the sections and their defaults, the loader that lays files, variables and arguments over them, and the
built-in profiles.
"""
