"""The reference page and the schemas are current, complete, and true of what `load` takes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import settings
from settings import reference, schema
from settings.base import Section
from settings.stack import StackSettings
from settings.tree import items, sections

PROJECT = Path(__file__).parents[2]
TABLE = yaml.safe_load((Path(__file__).parent / "data" / "parity.yaml").read_text())


def every_section(root: type[Section], seen: set[type[Section]]) -> Iterator[type[Section]]:
    if root in seen:
        return
    seen.add(root)
    yield root
    for field in root.model_fields.values():
        inner = items(field.annotation)
        for found in [*sections(field.annotation), *(sections(inner) if inner is not None else [])]:
            yield from every_section(found, seen)


SECTIONS = list(every_section(StackSettings, set()))


class TestCurrent:
    def test_the_reference_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(PROJECT)
        assert reference.main(["--check"]) == 0, "run `python -m settings.reference`"

    def test_the_schemas(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(PROJECT)
        assert schema.main(["--check"]) == 0, "run `python -m settings.schema`"

    @pytest.mark.parametrize("command", [reference.main, schema.main])
    def test_a_stale_file_is_noticed_and_the_command_named(
        self,
        command: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert command(["--check"]) == 1
        assert "is not current. Run `python -m settings." in capsys.readouterr().err
        assert command([]) == 0
        assert command(["--check"]) == 0


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
class TestEverySection:
    def test_says_what_it_and_each_key_is_for(self, section: type[Section]) -> None:
        assert (section.__doc__ or "").strip().endswith(".")
        for name, field in section.model_fields.items():
            assert (field.description or "").endswith("."), name

    def test_has_an_example_that_is_valid(self, section: type[Section]) -> None:
        """The example stands in for a broken section while the rest of a file is checked."""
        if section is not StackSettings:
            section.model_validate(section.example)

    def test_has_a_stand_in_for_every_required_key(self, section: type[Section]) -> None:
        assert all(f.examples for f in section.model_fields.values() if f.is_required())

    def test_is_on_the_page_with_all_its_keys(self, section: type[Section]) -> None:
        page = reference.page()
        names = [f"| `{name}` |" for name in section.model_fields if name != "location"]
        assert [name for name in names if name not in page] == []


class TestTheSchemaIsTrue:
    def test_the_schemas_are_schemas(self) -> None:
        for text in schema.files().values():
            jsonschema.Draft202012Validator.check_schema(json.loads(text))

    @pytest.mark.parametrize("kind", ["endpoint", "deployment", "environment", "model"])
    def test_takes_every_body_that_az_ml_takes(self, kind: str) -> None:
        validator = jsonschema.Draft202012Validator(json.loads(schema.files()[f"{kind}.schema.json"]))
        for name, body in TABLE[f"{kind}s"].items():
            if name != "instance count as text":  # az ml and `load` take it; an editor may well object
                whole = {"instance_type": "Standard_X", **body} if kind == "deployment" else body
                assert [error.message for error in validator.iter_errors(whole)] == [], name

    def test_takes_a_stack_file_and_knows_its_keys(self) -> None:
        validator = jsonschema.Draft202012Validator(schema.stack_file())
        config = {
            "azure-native:location": "westeurope",
            "docker:host": "unix:///var/run/docker.sock",
            "vllm-azureml:resource_group": {"name": "rg"},
            "vllm-azureml:workspace": {"name": "mlw", "public_network_access": "disabled"},
        }
        assert settings.load({k: v for k, v in config.items() if not k.startswith("docker")})
        assert validator.is_valid({"config": config})
        assert not validator.is_valid({"config": {**config, "vllm-azureml:endpoint": {}}})
        assert not validator.is_valid({"config": {"vllm-azureml:workspace": {"name": "mlw"}}})
