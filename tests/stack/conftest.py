"""The program is declared from the project's folder, as the CLI does."""

import pytest

from tests.stack.mocks import ROOT


@pytest.fixture(autouse=True)
def _project_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in ("ARM_USE_MSI", "ARM_CLIENT_SECRET", "ARM_USE_OIDC", "ARM_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
