"""Typed Pulumi components, one noun a file; they do not see each other, the program hands each what it needs."""
