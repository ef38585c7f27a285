"""The stand-in for pulumi-docker: it resolves tags to digests and knows nothing else of that provider."""
