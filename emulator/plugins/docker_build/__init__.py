"""The stand-in for pulumi-docker-build: builds with BuildKit by the docker client, pushes, digests."""
