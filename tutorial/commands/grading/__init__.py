"""What ``python -m tutorial classroom grade`` adds to nbgrader: fair marks, and a report."""
