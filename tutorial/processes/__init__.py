"""The child processes behind `tutorial.worker` and `tutorial.servers`."""
