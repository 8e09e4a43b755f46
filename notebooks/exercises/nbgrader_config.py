"""The settings of nbgrader, for the course's own student versions and for a class."""

c = get_config()  # noqa: F821  nbgrader defines it

c.CourseDirectory.course_id = "celery-sql-results"
# What replaces the solution in an answer cell: Python code that does nothing and shows nothing.
c.ClearSolutions.code_stub = {"python": "pass  # your code here"}
# Seconds for a cell; a submission with an endless loop loses only this cell's points.
c.Execute.timeout = 60
c.Execute.interrupt_on_timeout = True
# A learner may delete a check; it comes back before the grading.
c.OverwriteCells.add_missing_cells = True
