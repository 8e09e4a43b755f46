"""The settings of nbgrader, for the course's own student versions and for a class."""

c = get_config()  # noqa: F821  nbgrader defines it

c.CourseDirectory.course_id = "celery-sql-results"
# What stands in an answer cell in place of the solution: Python code that does nothing.
c.ClearSolutions.code_stub = {"python": "...  # your code here"}
# Seconds for a cell; a submission that loops for ever loses this cell's points and no other.
c.Execute.timeout = 60
c.Execute.interrupt_on_timeout = True
# A learner may delete a check; it comes back before the grading.
c.OverwriteCells.add_missing_cells = True
