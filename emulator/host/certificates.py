"""The embedded Azure's certificate authority and its leaf certificates, as files in EMULATOR_HOME.

The authority is made once and kept, so that a program that was given `bundle.pem` still trusts us after a
restart. Leaves are made when a listener starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import certifi
import trustme

from emulator.host.process import write_atomically
from emulator.settings import Settings

_SYSTEM_BUNDLES = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt"))


def ensure_authority(settings: Settings) -> trustme.CA:
    """Load the authority, or make it; also writes the bundle of the system's authorities and ours."""
    if settings.ca_file.exists() and settings.ca_key_file.exists():
        authority = trustme.CA.from_pem(settings.ca_file.read_bytes(), settings.ca_key_file.read_bytes())
    else:
        authority = trustme.CA(
            organization_name="Embedded Azure", organization_unit_name="not Microsoft Azure"
        )
        write_atomically(settings.ca_key_file, authority.private_key_pem.bytes().decode())
        write_atomically(settings.ca_file, authority.cert_pem.bytes().decode(), 0o644)
    bundle = system_certificates() + authority.cert_pem.bytes().decode()
    if not settings.bundle_file.exists() or settings.bundle_file.read_text() != bundle:
        write_atomically(settings.bundle_file, bundle, 0o644)
    return authority


def leaf_files(settings: Settings, name: str, hosts: Sequence[str]) -> tuple[Path, Path]:
    """A certificate (with chain) and its key for these addresses, made anew at every start."""
    leaf = ensure_authority(settings).issue_cert(*hosts)
    folder = settings.home / "certificates"
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    write_atomically(key, leaf.private_key_pem.bytes().decode())
    write_atomically(certificate, "".join(p.bytes().decode() for p in leaf.cert_chain_pems), 0o644)
    return certificate, key


def system_certificates() -> str:
    """The machine's trusted certificates, or certifi's where the machine has none."""
    for path in _SYSTEM_BUNDLES:
        if path.exists():
            return path.read_text().rstrip("\n") + "\n"
    return Path(certifi.where()).read_text().rstrip("\n") + "\n"
