"""The architectures of the embedders, their front ends and readers of their published weights."""
