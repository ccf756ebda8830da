"""Trained models on media files and behind TF Serving."""
