"""Passphrase encryption of secret configuration and state, byte for byte as Pulumi does it.

Source: pkg/secrets/passphrase and sdk/go/common/resource/config/crypt.go of Pulumi 3.260. The key is
PBKDF2-HMAC-SHA256 over the passphrase with an 8 byte salt, 1 000 000 iterations, 32 bytes. A value is
`v1:base64(nonce):base64(AES-256-GCM ciphertext)`. The stack's `encryptionsalt` is `v1:base64(salt):` and the
encryption of the word `pulumi`, which is how a wrong passphrase is noticed. Other secrets providers are
refused.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from pathlib import Path

from .errors import EngineError, Unsupported

_ITERATIONS = 1_000_000
_CHECK = "pulumi"
BLINDED = "[secret]"


class SecretsManager:
    """Encrypts and decrypts with one passphrase and salt. The slow key derivation runs in a thread, once."""

    def __init__(self, state: str, passphrase: str) -> None:
        self.state = state
        self._passphrase = passphrase
        self._key: bytes | None = None
        self._encrypted: dict[tuple[object, str], str] = {}
        self._decrypted: dict[str, str] = {}
        self._thread: threading.Thread | None = None

    @classmethod
    def new(cls, passphrase: str) -> SecretsManager:
        salt = os.urandom(8)
        manager = cls("", passphrase)
        manager._key = _derive(passphrase, salt)
        check = manager._seal(_CHECK)
        manager.state = f"v1:{base64.b64encode(salt).decode()}:{check}"
        return manager

    def warm_up(self) -> None:
        """Start deriving the key beside everything else that starts."""
        if self._key is None and self._thread is None:
            self._thread = threading.Thread(target=self._derive_quietly, daemon=True)
            self._thread.start()

    def _derive_quietly(self) -> None:
        try:
            self._key = _derive(self._passphrase, _salt_of(self.state))
        except EngineError:
            return  # said again, in the foreground, by whoever needs the key

    def _ready(self) -> bytes:
        if self._thread is not None:
            self._thread.join()
        if self._key is None:
            self._key = _derive(self._passphrase, _salt_of(self.state))
        return self._key

    def check(self) -> None:
        """Raise unless the passphrase belongs to the salt."""
        try:
            right = self._open(self.state.split(":", 2)[2]) == _CHECK
        except (EngineError, IndexError):
            right = False
        if not right:
            raise EngineError(
                "incorrect passphrase: it does not open this stack's secrets. Set PULUMI_CONFIG_PASSPHRASE "
                "(or PULUMI_CONFIG_PASSPHRASE_FILE) to the passphrase the stack was created with."
            )

    def encrypt(self, plaintext: str) -> str:
        return self._seal(plaintext)

    def encrypt_cached(self, holder: object, plaintext: str) -> str:
        """The same ciphertext for the same secret object, so that unchanged state stays unchanged on disk."""
        key = (holder, plaintext)
        if key not in self._encrypted:
            self._encrypted[key] = self._seal(plaintext)
        return self._encrypted[key]

    def remember(self, holder: object, plaintext: str, ciphertext: str) -> None:
        self._encrypted[(holder, plaintext)] = ciphertext

    def decrypt(self, ciphertext: str) -> str:
        if ciphertext not in self._decrypted:
            self._decrypted[ciphertext] = self._open(ciphertext)
        return self._decrypted[ciphertext]

    def _seal(self, plaintext: str) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(12)
        sealed = AESGCM(self._ready()).encrypt(nonce, plaintext.encode(), None)
        return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"

    def _open(self, ciphertext: str) -> str:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        parts = ciphertext.split(":")
        if len(parts) != 3 or parts[0] != "v1":
            raise EngineError(
                "a secret is not of the form v1:NONCE:CIPHERTEXT; the configuration or state was edited by "
                "hand."
            )
        try:
            nonce, sealed = base64.b64decode(parts[1]), base64.b64decode(parts[2])
            return AESGCM(self._ready()).decrypt(nonce, sealed, None).decode()
        except (InvalidTag, ValueError) as error:
            raise EngineError(
                "a secret cannot be decrypted: it was encrypted with another passphrase or salt."
            ) from error


def _derive(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, _ITERATIONS, 32)


def _salt_of(state: str) -> bytes:
    parts = state.split(":", 2)
    if len(parts) != 3 or parts[0] != "v1":
        raise EngineError(
            "encryptionsalt is not of the form v1:SALT:CHECK; restore it from the stack file's history."
        )
    return base64.b64decode(parts[1])


def passphrase() -> str:
    """The passphrase from the environment. There is no prompt: the engine is run by make and by tests."""
    if "PULUMI_CONFIG_PASSPHRASE" in os.environ:
        return os.environ["PULUMI_CONFIG_PASSPHRASE"]
    file = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    if file:
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise EngineError(
                f"PULUMI_CONFIG_PASSPHRASE_FILE names {file}, which cannot be read ({error.strerror})."
            ) from error
    raise EngineError(
        "passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment "
        "variables: "
        "this stack holds secrets, or is about to."
    )


_managers: dict[str, SecretsManager] = {}


def manager_for(salt_state: str) -> SecretsManager:
    """One manager per salt, so that the key is derived once even if the state file and the stack file both
    name it.
    """
    if salt_state not in _managers:
        _managers[salt_state] = SecretsManager(salt_state, passphrase())
    return _managers[salt_state]


def manager_from_state(provider: dict | None) -> SecretsManager | None:
    """The manager that a state file's `secrets_providers` describes."""
    if not provider or not provider.get("type"):
        return None
    if provider["type"] != "passphrase":
        raise Unsupported(f"The secrets provider {provider['type']!r} of this stack's state")
    state = provider.get("state") or {}
    if isinstance(state, str):
        state = json.loads(state)
    return manager_for(state["salt"])
