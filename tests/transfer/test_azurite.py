"""The copy against Azurite 3.35 over TLS: keyless, by key and by SAS; resuming; shared locks; proxies."""

from __future__ import annotations

import base64
import random
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from azurite import ACCOUNT, KEY, Azurite, Identity
from servers import FakeHub, Handler, Loopback

from transfer import KeyAccess, Request, SasAccess, TokenAccess, copy_snapshot, plan, remove, verify
from transfer.cancel import Cancellation
from transfer.errors import AccessDenied, ContainerGone, Retryable, TransferError
from transfer.pipeline import Sizes
from transfer.wire import Wire

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("no_leaked_threads")]

BLOCK = 256 * 1024
WEIGHTS = "model.safetensors"
CONTENT = {WEIGHTS: random.Random(1).randbytes(6 * BLOCK + 5), "config.json": b"{}", "sub/vocab.txt": b""}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    served = FakeHub(CONTENT)
    yield served
    served.close()


@pytest.fixture(scope="module")
def url(azurite: Azurite) -> str:
    return azurite.container("copies")


def request(url: str, hub: FakeHub, root: str, access=None, **options) -> Request:
    access = access or TokenAccess(Identity())
    sizes = Sizes(BLOCK, 4)
    return Request(
        source=hub.repository,
        container_url=url,
        access=access,
        hub=hub.url,
        root=root,
        sizes=sizes,
        **options,
    )


def sas(url: str) -> SasAccess:
    return SasAccess(KeyAccess(url, ACCOUNT, KEY).query())


@pytest.mark.parametrize("kind", ["token", "key", "sas"])
def test_each_way_to_authenticate(url: str, hub: FakeHub, kind: str) -> None:
    access = {"token": TokenAccess(Identity()), "key": KeyAccess(url, ACCOUNT, KEY), "sas": sas(url)}[kind]
    asked = request(url, hub, kind, access)
    copied = copy_snapshot(asked)
    assert copied.report.bytes_sent == sum(map(len, CONTENT.values()))
    assert verify(asked).bytes_read == copied.report.size
    again = copy_snapshot(asked)
    assert (again.report.bytes_read, again.report.bytes_sent) == (0, 0)
    assert again.files == copied.files  # ETags of answers and of listings are the same


def test_staged_blocks_of_an_earlier_run_are_not_sent_again(url: str, hub: FakeHub) -> None:
    broken = CONTENT[WEIGHTS][: 4 * BLOCK] + b"?" + CONTENT[WEIGHTS][4 * BLOCK + 1 :]
    hub.files[WEIGHTS] = broken
    asked = request(url, hub, "resume")
    with pytest.raises(TransferError, match="SHA-256"):
        copy_snapshot(asked)
    assert plan(asked).resumable == (WEIGHTS,)
    hub.files[WEIGHTS] = CONTENT[WEIGHTS]
    report = copy_snapshot(asked).report
    assert 0 < report.bytes_reread <= 4 * BLOCK  # the blocks before the wrong byte, and none after it
    assert report.bytes_sent == report.size - report.bytes_reread - report.bytes_present
    verify(asked)


def test_an_empty_blob_of_somebody_else_is_replaced(url: str, hub: FakeHub) -> None:
    from azure.storage.blob import ContainerClient

    client = ContainerClient.from_container_url(url, credential=Identity(), api_version="2023-11-03")
    asked = request(url, hub, "empty")
    client.upload_blob(plan(asked).prefix + WEIGHTS, b"")
    copy_snapshot(asked)
    verify(asked)


def test_runs_that_refer_and_release_at_once_never_lose_files(url: str, hub: FakeHub) -> None:
    asked = [request(url, hub, "locks", reference=f"owner{n}.1") for n in range(4)]
    prefix = copy_snapshot(asked[0]).prefix
    failures: list[BaseException] = []

    def churn(n: int) -> None:
        try:
            for _ in range(2):
                copy_snapshot(asked[n])
                verify(asked[n])  # while we refer to it, it is whole
                remove(asked[n], prefix, reference=f"owner{n}.1")
        except BaseException as problem:  # noqa: BLE001
            failures.append(problem)

    threads = [threading.Thread(target=churn, args=(n,)) for n in range(1, 4)]
    for thread in threads:
        thread.start()
    remove(asked[0], prefix, reference="owner0.1")
    for thread in threads:
        thread.join()
    assert failures == []
    assert not plan(asked[0]).present


def test_a_missing_container_and_a_wrong_key_are_told_apart(url: str, hub: FakeHub) -> None:
    with pytest.raises(ContainerGone):
        copy_snapshot(request(url + "-nothing", hub, "x"))
    wrong = KeyAccess(url, ACCOUNT, base64.b64encode(b"wrong").decode())
    with pytest.raises(AccessDenied, match="Storage Blob Data Contributor"):
        copy_snapshot(request(url, hub, "x", wrong))


def test_an_untrusted_certificate_names_the_variable(
    url: str, hub: FakeHub, monkeypatch, tmp_path: Path
) -> None:
    import trustme

    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    asked = request(url, hub, "tls")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    with pytest.raises(TransferError, match="SSL_CERT_FILE"):
        copy_snapshot(asked)


class Tunnel:
    """A proxy that knows CONNECT, and asks for a password."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        if base64.b64encode(b"me:pass word") not in head:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            client.close()
            return
        target = head.split(b" ")[1].decode()
        self.asked.append(target)
        host, port = target.split(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=self._pump, args=(server, client), daemon=True).start()
        self._pump(client, server)

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        finally:
            target.close()


def test_https_proxy_is_honoured_and_no_proxy_too(url: str, hub: FakeHub, monkeypatch) -> None:
    tunnel = Tunnel()
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:pass%20word@127.0.0.1:{tunnel.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    copy_snapshot(request(url, hub, "proxied"))
    place = url.split("/")[2]
    assert set(tunnel.asked) == {place}
    assert len(tunnel.asked) >= 2  # control calls and blocks
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    before = len(tunnel.asked)
    copy_snapshot(request(url, hub, "direct"))
    assert len(tunnel.asked) == before
    tunnel.listener.close()


def test_a_proxy_that_refuses_is_said_at_once(url: str, hub: FakeHub, monkeypatch) -> None:
    tunnel = Tunnel()
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:wrong@127.0.0.1:{tunnel.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    wire = Wire(Cancellation())
    with pytest.raises(TransferError, match=r"HTTPS_PROXY.*407") as caught, wire.request("GET", url):
        pass
    assert not isinstance(caught.value, Retryable)
    tunnel.listener.close()


class Vault(Loopback):
    """A vault of one secret."""

    def answer(self, request: Handler) -> None:
        if not request.parts.path.endswith("/hub"):
            request.say(404)
        elif (request.headers.get("Authorization") or "").startswith("Bearer ey"):
            request.say(200, b'{"value": "hf_from_vault"}')
        else:
            request.say(401)


def test_the_hubs_token_from_a_key_vault_is_read_when_it_is_used(
    url: str, hub: FakeHub, azurite: Azurite
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = Path(azurite.bundle).parent
    tls.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    vault = Vault(tls)
    hub.token = "hf_from_vault"
    reference = f"${{{{ keyvault:{vault.url}/secrets/hub }}}}"
    copied = copy_snapshot(request(url, hub, "vault", token=reference, credential=Identity()))
    assert copied.report.bytes_sent == copied.report.size
    assert len(vault.requests) == 1  # kept for minutes, not asked for each block
    with pytest.raises(TransferError, match="no Azure credential"):
        copy_snapshot(request(url, hub, "vault2", token=reference))
    with pytest.raises(TransferError, match="no such secret"):
        copy_snapshot(request(url, hub, "vault2", token=f"{vault.url}/secrets/gone", credential=Identity()))
    vault.close()
