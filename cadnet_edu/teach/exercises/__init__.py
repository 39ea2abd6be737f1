"""Checks for the exercises of the book, one file a chapter; ``cadnet_edu.teach.check`` gives them all."""
