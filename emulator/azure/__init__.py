"""The emulated Azure: Resource Manager, token service, vaults, and the gates before blobs and images."""
