"""Microsoft.MachineLearningServices: workspaces and what lives in them."""
