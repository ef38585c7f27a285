"""The stand-in for Pulumi's azure-native provider: its tokens become ARM calls to the embedded Azure."""
