"""A missing engine is one error that says what to install or how to do without."""

import os
import signal
import subprocess
import time
from dataclasses import replace

import pytest

from emulator.host import engine
from emulator.host.errors import HostError
from emulator.settings import Settings


def test_an_engine_elsewhere_is_refused(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    with pytest.raises(HostError, match=r"(?s)DOCKER_HOST=tcp://10.0.0.1:2375.*--nodes none"):
        engine.find()


@pytest.mark.emulator
def test_an_engine_that_was_named_and_does_not_answer_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with pytest.raises(HostError, match="No Docker engine answers at DOCKER_HOST"):
        engine.find()


def test_without_root_the_ways_out_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostError, match=r"(?s)needs root.*group docker.*--nodes none"):
        engine.own_service(Settings(home=tmp_path, cache=tmp_path))


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(engine.shutil, "which", lambda program, path=None: None)
    with pytest.raises(HostError, match=r"Debian package docker\.io.*apt-get install docker\.io iptables"):
        engine.own_service(Settings(home=tmp_path, cache=tmp_path))


@pytest.mark.emulator
def test_containers_that_outlive_a_killed_engine_are_seen_and_ended(tmp_path):
    """A shim stays for each container, and the container with it, when dockerd and containerd are gone."""
    settings = Settings(home=tmp_path, cache=tmp_path, vnet_subnet="198.51.100.0/24")
    settings = replace(settings, nodes_subnet="198.51.101.0/24", egress_subnet="198.51.102.0/24")
    other = replace(settings, home=tmp_path / "other")
    socket = engine.own_address(settings).removeprefix("unix://")
    argv = ["containerd-shim-runc-v2", "-c", "sleep 100 & echo $!; wait", socket]
    assert not engine.left_behind(settings)
    with subprocess.Popen(argv, executable="/bin/sh", stdout=subprocess.PIPE, text=True) as shim:
        assert shim.stdout is not None
        container = int(shim.stdout.readline())
        assert engine.left_behind(settings)
        assert not engine.left_behind(other), "somebody else's container"
        engine.tidy(settings)
        assert shim.wait(5) == -signal.SIGKILL
    for _ in range(100):
        if not os.path.exists(f"/proc/{container}"):
            break
        time.sleep(0.02)
    with pytest.raises(ProcessLookupError):
        os.kill(container, 0)


@pytest.mark.emulator
def test_a_bridge_that_outlives_a_killed_engine_is_seen(tmp_path):
    here = Settings(home=tmp_path, cache=tmp_path, vnet_subnet="127.79.200.0/24")
    assert engine.left_behind(here), "any address of this machine will do for a bridge's"
