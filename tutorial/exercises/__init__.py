"""The exercises: a module for each chapter, with the chapter's word.

`tutorial.exercises.checking` is what they share, `tutorial.exercises.quiz` asks the questions.
"""
