"""The papers' experiments, prediction and export."""
