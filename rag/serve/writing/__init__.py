"""Writing while serving: uploads, a queue of jobs, and watched folders."""
