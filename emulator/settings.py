"""Every setting of the embedded Azure, in one place, read from the environment.

Paths, addresses, ports, delays and the names of the emulated tenant. Holds no behaviour: who listens where is
decided here so that ARM, the nodes, the hub and the command line agree without importing each other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


class SettingsError(ValueError):
    """A setting of the embedded Azure is wrong; the text names the variable, the reason and the fix."""


@dataclass(frozen=True)
class Delays:
    """How long the embedded Azure takes, in seconds. `EMULATOR_DELAY_<NAME>`; the defaults keep tests fast.

    Azure takes minutes where these are fractions of a second; a benchmark must say which values it ran with.
    """

    operation: float = 0.2  # any asynchronous create, update or delete
    role_propagation: float = 0.5  # from a role assignment's PUT until a check sees it (Azure: up to 5 min)
    endpoint: float = 0.3  # create, update and delete of an online endpoint
    deployment: float = 0.3  # what a deployment takes besides the work of its nodes
    managed_network: float = 0.5  # provisionManagedNetwork (Azure: about 30 min)
    name_release: float = 0.2  # a name stays held this long after its delete finished
    retry_after: float = 0.2  # x-ms-retry-after-ms; Retry-After is whole seconds, at least 1


@dataclass(frozen=True)
class Settings:
    """Where things are. Addresses are strings; every path is absolute."""

    home: Path  # EMULATOR_HOME: state, journal, certificates, logs; removed without loss of anything heavy
    cache: Path  # EMULATOR_CACHE: heavy reusable things (vLLM environment, root file system, model, Azurite)
    network: str = "127.66"  # EMULATOR_NETWORK: the first two octets of every emulated host
    port: int = 8443  # EMULATOR_PORT: every TLS listener
    vnet_subnet: str = (
        "172.29.66.0/24"  # EMULATOR_VNET_SUBNET: the docker network that stands for "inside the VNet"
    )
    nodes_subnet: str = "172.29.67.0/24"  # EMULATOR_NODES_SUBNET: deployments without egress
    egress_subnet: str = "172.29.68.0/24"  # EMULATOR_EGRESS_SUBNET: deployments with egress
    nodes: str = "docker"  # EMULATOR_NODES: docker or none; `start` persists what it was started with
    content: str = ""  # EMULATOR_CONTENT: required or any; empty: required unless `--nodes none`
    subscription: str = "00000000-0000-4000-8000-000000000001"  # EMULATOR_SUBSCRIPTION
    tenant: str = "00000000-0000-4000-8000-000000000002"  # EMULATOR_TENANT
    location: str = (
        "westeurope"  # EMULATOR_LOCATION: only a default for those who ask; resources have their own
    )
    deployer_header: str = (
        "embedded-azure-deployer"  # EMULATOR_DEPLOYER_HEADER: IDENTITY_HEADER of the deployer
    )
    reader_header: str = "embedded-azure-reader"  # EMULATOR_READER_HEADER: IDENTITY_HEADER of a Reader
    node_image: str = (
        "embedded-azure/node:bookworm"  # EMULATOR_NODE_IMAGE: the root file system, as docker knows it
    )
    node_python: str = ""  # EMULATOR_NODE_PYTHON: interpreter mounted into nodes; empty: the bootstrap's
    gpu_cores: int = 240  # EMULATOR_GPU_CORES: quota of each GPU family, in cores (Azure's default is 0)
    delays: Delays = field(default_factory=Delays)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; raises SettingsError naming the variable that is wrong."""
        env = dict(os.environ if environ is None else environ)
        home = Path(env.get("EMULATOR_HOME") or REPOSITORY / ".emulator").expanduser().resolve()
        cache = Path(env.get("EMULATOR_CACHE") or REPOSITORY / ".cache").expanduser().resolve()
        values: dict[str, object] = {}
        for item in fields(cls):
            raw = env.get(f"EMULATOR_{item.name.upper()}")
            if item.name in {"home", "cache", "delays"} or not raw:
                continue
            values[item.name] = _integer(item.name, raw) if item.type == "int" else raw
        settings = cls(home=home, cache=cache, delays=_delays(env), **values)  # type: ignore[arg-type]
        _check(settings)
        return settings

    @property
    def content_required(self) -> bool:
        """Whether a deployment fails when its model has no files or its image cannot be reached.

        Without containers nothing reads either, and a stack that names what is elsewhere can still be tried.
        """
        return self.content == "required" or (self.content == "" and self.nodes != "none")

    # --- the address plan

    def host(self, third: int, fourth: int) -> str:
        """Return an emulated host's address, e.g. `host(0, 1)` is `127.66.0.1`."""
        return f"{self.network}.{third}.{fourth}"

    @property
    def arm_host(self) -> str:
        return self.host(0, 1)

    @property
    def login_host(self) -> str:
        return self.host(0, 2)

    @property
    def hub_host(self) -> str:
        return self.host(0, 3)

    @property
    def inside_host(self) -> str:
        """Stand-in for "inside the VNet" without containers; with docker it is the VNet network's gateway."""
        return self.host(0, 4)

    @property
    def azurite_host(self) -> str:
        return self.host(0, 5)

    @property
    def registry_host(self) -> str:
        return self.host(0, 6)

    @property
    def arm_url(self) -> str:
        return f"https://{self.arm_host}:{self.port}"

    @property
    def login_url(self) -> str:
        return f"https://{self.login_host}:{self.port}"

    @property
    def identity_port(self) -> int:
        return self.port + 1

    @property
    def identity_endpoint(self) -> str:
        """IDENTITY_ENDPOINT: plain http, as App Service's is."""
        return f"http://{self.login_host}:{self.identity_port}/msi/token"

    @property
    def hub_port(self) -> int:
        return self.port + 2

    @property
    def hub_url(self) -> str:
        return f"http://{self.hub_host}:{self.hub_port}"

    @property
    def azurite_url(self) -> str:
        """The blob service behind the storage gate: HTTPS, path style, `--oauth basic`. Not exported."""
        return f"https://{self.azurite_host}:{self.port}"

    @property
    def registry_url(self) -> str:
        """The OCI registry behind the registries' token authentication: plain http. Not exported."""
        return f"http://{self.registry_host}:{self.port}"

    # --- files

    @property
    def journal(self) -> Path:
        return self.home / "journal.jsonl"

    @property
    def state_file(self) -> Path:
        return self.home / "state.sqlite"

    @property
    def ca_file(self) -> Path:
        """Our certificate authority's certificate (PEM)."""
        return self.home / "ca.pem"

    @property
    def ca_key_file(self) -> Path:
        return self.home / "ca.key"

    @property
    def bundle_file(self) -> Path:
        """The system's certificate authorities and ours: SSL_CERT_FILE, REQUESTS_CA_BUNDLE."""
        return self.home / "bundle.pem"

    @property
    def pids(self) -> Path:
        return self.home / "pids"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def models(self) -> Path:
        return self.home / "models"

    @property
    def docker_config(self) -> Path:
        """DOCKER_CONFIG: logins to emulated registries never touch the user's own."""
        return self.home / "docker-config"


def _delays(env: Mapping[str, str]) -> Delays:
    values = {}
    for item in fields(Delays):
        name = f"EMULATOR_DELAY_{item.name.upper()}"
        if not env.get(name):
            continue
        try:
            values[item.name] = float(env[name])
        except ValueError:
            raise SettingsError(
                f"{name}={env[name]!r} is not a number of seconds; write for example 0.5"
            ) from None
        if values[item.name] < 0:
            raise SettingsError(f"{name}={env[name]} is negative; a delay is 0 or more seconds")
    return Delays(**values)


def _integer(name: str, raw: str) -> int:
    try:
        return int(raw)
    except ValueError:
        raise SettingsError(f"EMULATOR_{name.upper()}={raw!r} is not a whole number") from None


def _check(settings: Settings) -> None:
    octets = settings.network.split(".")
    ok = len(octets) == 2 and all(o.isdigit() and int(o) < 256 for o in octets) and octets[0] == "127"
    if not ok:
        raise SettingsError(
            f"EMULATOR_NETWORK={settings.network!r} is not the start of a loopback network; we "
            "listen on loopback only: write two octets such as 127.66"
        )
    if not 1024 <= settings.port <= 65500:
        raise SettingsError(
            f"EMULATOR_PORT={settings.port} is out of range; use 1024 to 65500 (it and the three after it "
            "are taken)"
        )
    if settings.nodes not in {"docker", "none"}:
        raise SettingsError(f"EMULATOR_NODES={settings.nodes!r} is not known; use docker or none")
    if settings.content not in {"", "required", "any"}:
        raise SettingsError(f"EMULATOR_CONTENT={settings.content!r} is not known; use required or any")
