"""The exercises: a module for each chapter, with the chapter's word.

`tutorial.exercises.exercise` is what they share, `tutorial.exercises.quiz` asks the questions.
"""
