"""Public data sets and demo soundscapes, as manifests."""
