"""Groups with a random and a fixed name, a network, an account, an image; environment variables vary it."""

import os

import pulumi
import pulumi_docker
import pulumi_docker_build as docker_build
from pulumi_azure_native import network, resources, storage

group = resources.ResourceGroup("random", location=os.environ.get("RANDOM_LOCATION", "westeurope"))
fixed = resources.ResourceGroup(
    "fixed", resource_group_name="rg-fixed", location=os.environ.get("FIXED_LOCATION", "westeurope")
)
vnet = network.VirtualNetwork(
    "vnet",
    resource_group_name=group.name,
    virtual_network_name="vnet",
    address_space={"address_prefixes": ["10.0.0.0/16"]},
)
subnet = network.Subnet(
    "subnet",
    resource_group_name=group.name,
    virtual_network_name=vnet.name,
    subnet_name="s",
    address_prefix="10.0.1.0/24",
)
account = storage.StorageAccount(
    "account",
    resource_group_name=fixed.name,
    account_name="saengine",
    kind="StorageV2",
    sku={"name": os.environ.get("SKU", "Standard_LRS")},
)
tag = os.environ["IMAGE"]
image = docker_build.Image(
    "image",
    context={"location": "image"},
    build_args={"WHO": os.environ.get("WHO", "a")},
    tags=[tag],
    push=True,
    build_on_preview=False,
)
pulumi.export("group", group.name)
pulumi.export("subnet", subnet.id)
pulumi.export("blob", account.primary_endpoints.blob)
pulumi.export("digest", image.digest)
pulumi.export(
    "resolved", image.digest.apply(lambda _: pulumi_docker.get_registry_image(name=tag).sha256_digest)
)
