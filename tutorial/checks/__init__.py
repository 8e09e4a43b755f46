"""What the public functions check before they begin."""
