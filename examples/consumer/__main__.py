"""Another team's stack: takes the endpoint from the serving stack's outputs and hands it to an application.

`pulumi config set vllm-consumer:serving organization/vllm-azureml/dev` says which stack serves. Nothing
here is a secret: the application reads the key from Key Vault with its own identity.
"""

import pulumi

config = pulumi.Config()
serving = pulumi.StackReference(config.require("serving"))


def endpoint(outputs: dict) -> dict:
    """The endpoint that is meant: the one that is named, or the only one."""
    name = config.get("endpoint")
    if name is None and len(outputs) != 1:
        raise ValueError(f"set vllm-consumer:endpoint to one of {', '.join(outputs)}.")
    return outputs[name] if name else next(iter(outputs.values()))


# require_output fails where get_output would give None: a renamed output is found here and not in the
# application.
used = serving.require_output("endpoints").apply(endpoint)

pulumi.export(
    "environment",
    {
        "OPENAI_BASE_URL": used.apply(lambda found: found["openai_base_url"]),
        "OPENAI_MODEL": used.apply(lambda found: found["served_model_names"][0]),
        "OPENAI_KEY_SECRET_URI": used.apply(lambda found: found["key_secret_uri"]),
    },
)
