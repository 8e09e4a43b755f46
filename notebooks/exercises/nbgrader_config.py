"""The settings of nbgrader, for the course's own student versions and for a class."""

import os

from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbgrader import preprocessors as steps

from tutorial.commands.grading.cells import RestoreCells
from tutorial.commands.grading.running import RunExercises

c = get_config()  # noqa: F821  nbgrader defines it

c.CourseDirectory.course_id = "celery-sql-results"
if exchange := os.environ.get("NBGRADER_EXCHANGE"):  # jupyterhub_config.py names it
    c.Exchange.root = exchange
# What replaces the solution in an answer cell: Python code that does nothing and shows nothing.
c.ClearSolutions.code_stub = {"python": "pass  # your code here"}
# Seconds for a cell; a submission with an endless loop loses only this cell's points.
c.Execute.timeout = 90
c.Execute.interrupt_on_timeout = True
# A kernel has nothing to tell a teacher but errors.
c.Execute.extra_arguments = ["--IPKernelApp.log_level=40"]
# Copied, split, moved, deleted and retyped cells must not cost any points.
c.Autograde.sanitize_preprocessors = [
    *(steps.ClearOutput, RestoreCells),
    *(steps.OverwriteKernelspec, steps.OverwriteCells, steps.CheckCellMetadata),
]
# Nor must a killed kernel or a flood of output, except for the exercise that it belongs to.
c.Autograde.autograde_preprocessors = [
    *(RunExercises, steps.IgnorePattern, ClearMetadataPreprocessor, steps.LimitOutput),
    *(steps.SaveAutoGrades, steps.AssignLatePenalties, steps.CheckCellMetadata),
]
# A feedback page stays readable, however much a submission prints.
c.LimitOutput.max_lines = 200
c.LimitOutput.max_traceback = 50
