"""`pulumi-resource-docker ENGINE_ADDRESS`: the engine starts this."""

from emulator.plugins.docker.provider import Docker
from emulator.plugins.serve import serve

if __name__ == "__main__":
    serve(Docker())
