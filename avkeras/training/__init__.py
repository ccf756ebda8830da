"""Early stopping, ensembling, and runs that can be resumed."""
