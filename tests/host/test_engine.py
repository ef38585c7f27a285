"""A missing engine is one error that says what to install or how to do without."""

import os

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
