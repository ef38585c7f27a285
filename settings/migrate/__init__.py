"""From a folder of `az ml` YAML to a stack file; the command is `settings.from_azml`."""
