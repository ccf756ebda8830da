"""Thresholds, post-processing and metrics."""
