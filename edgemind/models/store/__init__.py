"""The store of models on this disk: blobs named by their hash, manifests that name them, and the rules for both."""
