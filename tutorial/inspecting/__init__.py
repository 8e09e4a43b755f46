"""What stands behind `tutorial.inspection`: each module finds one kind of thing."""
