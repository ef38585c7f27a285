"""`pulumi-resource-docker-build ENGINE_ADDRESS`: the engine starts this."""

from emulator.plugins.docker_build.provider import DockerBuild
from emulator.plugins.serve import serve

if __name__ == "__main__":
    serve(DockerBuild())
