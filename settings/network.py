"""The virtual network private endpoints stand in. Without this section everything has public access."""

from pydantic import Field

from settings.base import Cidr, Section, Texts, setting


class PrivateDnsZones(Section):
    """Where the names of private endpoints resolve."""

    existing_resource_group: str | None = setting(
        None,
        "Resource group (or its ARM id) with the zones of a hub network; the stack makes its own when "
        "omitted.",
    )
    link: bool = setting(True, "Link the zones to the network.")


class Network(Section):
    """A network of the stack, or subnets of one that exists."""

    example = {"name": "vnet-vllm"}

    name: str = Field(description="Name of the virtual network.", examples=["vnet-vllm"])
    existing: bool = setting(
        False, "Use a network that is already there; `subnets` then holds names or ARM ids."
    )
    resource_group: str | None = setting(
        None, "Resource group of a network that exists; the stack's when omitted."
    )
    address_space: list[Cidr] = setting(list, "Address ranges of the network; 10.20.0.0/16 when empty.")
    subnets: dict[str, str] = setting(
        dict,
        "Subnets: `private_endpoints` and any others, each with its address range; private_endpoints gets "
        "the first "
        "/24 when empty.",
    )
    private_dns_zones: PrivateDnsZones = setting(PrivateDnsZones(), "Private DNS zones.")
    tags: Texts = setting(dict, "Tags of the network.")
