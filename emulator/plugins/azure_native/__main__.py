"""`pulumi-resource-azure-native ENGINE_ADDRESS`: the engine starts this."""

from emulator.plugins.azure_native.provider import AzureNative
from emulator.plugins.serve import serve

if __name__ == "__main__":
    serve(AzureNative())
