"""The settings of nbgrader, for the course's own student versions and for a class."""

from nbgrader import preprocessors as steps

from tutorial.commands.copies import ForgetCopies

c = get_config()  # noqa: F821  nbgrader defines it

c.CourseDirectory.course_id = "celery-sql-results"
# What replaces the solution in an answer cell: Python code that does nothing and shows nothing.
c.ClearSolutions.code_stub = {"python": "pass  # your code here"}
# Seconds for a cell; a submission with an endless loop loses only this cell's points.
c.Execute.timeout = 60
c.Execute.interrupt_on_timeout = True
# A learner may delete a check; it comes back before the grading.
c.OverwriteCells.add_missing_cells = True
# A copied or split cell must not cost the whole notebook.
c.Autograde.sanitize_preprocessors = [
    *(steps.ClearOutput, steps.DeduplicateIds, ForgetCopies),
    *(steps.OverwriteKernelspec, steps.OverwriteCells, steps.CheckCellMetadata),
]
# A feedback page stays readable, however much a submission prints.
c.LimitOutput.max_lines = 200
c.LimitOutput.max_traceback = 50
