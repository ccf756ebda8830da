"""Figures, pages and reports of what a run's folder holds."""
