"""Manifests, demo data, records and input pipelines."""
