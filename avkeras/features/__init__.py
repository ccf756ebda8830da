"""From media files to embeddings: audio, video, embedders, extraction."""
