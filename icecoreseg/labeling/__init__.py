"""Labeling."""
