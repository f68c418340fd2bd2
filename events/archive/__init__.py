"""What left the log and is kept: segments on disk, and the log and they read as one."""
