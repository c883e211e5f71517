"""Writing while serving: uploads, jobs one after the other, and folders that are watched."""
