"""Evaluation: retrieval scores, distances, image quality, recovered images."""
