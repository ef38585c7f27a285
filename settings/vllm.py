"""vLLM's own arguments, for a stack that would rather not write them into VLLM_ARGS."""

from settings.base import Section, setting


class Vllm(Section):
    """Becomes the VLLM_ARGS variable of the container. A deployment that sets VLLM_ARGS itself cannot use
    `args`.
    """

    version: str | None = setting(
        None,
        "vLLM release of the image, for example 0.11.0: decides which arguments exist and what they "
        "default to. "
        "It does not choose the image.",
    )
    args: str | list[str] = setting(
        "",
        "Arguments, as one line that is split like a shell would, or as a list.",
        union_mode="left_to_right",
    )
    served_model_names: list[str] = setting(
        list, "Names clients may send as `model`; the short name and the path of the model when empty."
    )
