"""The folder of a run: files, values, environment, results."""
