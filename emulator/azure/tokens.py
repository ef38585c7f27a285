"""Access tokens: signed by our own key, checked for signature, expiry and audience.

Tokens have the claims that clients and services read (aud, iss, oid, tid, appid, exp). Endpoint tokens
(AMLToken) and registry tokens are made with the same key under their own audiences.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from emulator.azure.clock import now
from emulator.azure.principals import Principal
from emulator.settings import Settings

KEY_ID = "embedded-azure"


class TokenError(Exception):
    """A token that cannot be accepted; `code` is one of missing, invalid, expired, audience."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Tokens:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = _load_key(settings.home / "certificates" / "token.key")

    @property
    def issuer(self) -> str:
        return f"{self._settings.login_url}/{self._settings.tenant}/"

    def issue(self, principal: Principal, audience: str, *, seconds: int = 86400, **claims: Any) -> str:
        """Return a token for a principal; managed identities' tokens live for a day."""
        moment = int(now())
        payload = {
            "aud": audience,
            "iss": self.issuer,
            "iat": moment,
            "nbf": moment - 5,
            "exp": moment + seconds,
            "oid": principal.id,
            "sub": principal.id,
            "appid": principal.client_id,
            "tid": self._settings.tenant,
            "idtyp": "app",
            "ver": "1.0",
            **claims,
        }
        return jwt.encode(payload, self._key, algorithm="RS256", headers={"kid": KEY_ID})

    def check(self, token: str, audiences: set[str] | None) -> dict[str, Any]:
        """Return the claims; raises TokenError. Audiences are compared without their last slash."""
        try:
            claims = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                options={"verify_aud": False, "require": ["exp", "aud", "oid"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenError("expired", "The access token has expired.") from None
        except jwt.PyJWTError as error:
            raise TokenError("invalid", f"The access token is invalid: {error}") from None
        audience = str(claims["aud"]).rstrip("/")
        if audiences is not None and audience not in {item.rstrip("/") for item in audiences}:
            raise TokenError("audience", f"The access token is for '{claims['aud']}'.")
        return claims

    def public_jwk(self) -> dict[str, Any]:
        """Return the verification key for the tenant's `discovery/keys`."""
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {**jwk, "kid": KEY_ID, "use": "sig", "alg": "RS256"}


def bearer(authorization: str | None) -> str:
    """Return the token of an Authorization header; raises TokenError when there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenError("missing", "The 'Authorization' header is missing or not a bearer token.")
    return token.strip()


def _load_key(path: Path) -> rsa.RSAPrivateKey:
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_bytes(pem)
    temporary.chmod(0o600)
    os.replace(temporary, path)
    return key
