"""Checks for the exercises of the book, one file a chapter; ``cadnet_edu.check`` gives them all."""
