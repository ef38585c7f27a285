"""The launcher, run as the container runs it: a process that becomes another one."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).parents[2] / "docker" / "launcher.py"
DOCKERFILE = LAUNCHER.with_name("Dockerfile")
# Stands for the base image's interpreter: says what it was called with, and how it was ended.
SERVER = """#!{python}
import json, os, signal, sys, time
if os.environ.get("WAIT"):
    signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"told to stop"), os._exit(0)))
    print("up", os.getpid(), flush=True)
    time.sleep(30)
print(json.dumps(sys.argv[1:]))
sys.exit(int(os.environ.get("EXIT", "0")))
"""


@pytest.fixture
def launch(tmp_path):
    binaries = tmp_path / "bin"
    binaries.mkdir()
    server = binaries / "python3"
    server.write_text(SERVER.format(python=sys.executable))
    server.chmod(0o755)

    def run(**environ):
        environ = {"PATH": str(binaries), "AZUREML_MODEL_MOUNT": str(tmp_path / "nowhere"), **environ}
        return subprocess.run(
            [sys.executable, str(LAUNCHER)],
            env=environ,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    run.path = str(binaries)
    return run


@pytest.fixture
def model(tmp_path):
    def at(*parts):
        folder = tmp_path.joinpath("models", *parts)
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        return str(folder)

    return at


def served(result):
    """The model and the rest of the arguments as the server saw them."""
    assert result.returncode == 0, result.stderr
    arguments = json.loads(result.stdout.splitlines()[-1])
    assert arguments[:3] == ["-m", "vllm.entrypoints.openai.api_server", "--model"]
    return arguments[3], arguments[4:]


class TestFindingTheModel:
    def test_where_it_was_said_to_be(self, launch, model):
        path = model("Qwen3-8B")
        found, rest = served(launch(MODEL=path))
        assert found == path
        assert rest == ["--served-model-name", "Qwen3-8B", path]

    @pytest.mark.parametrize(
        "layout", [("current", "1"), ("INPUT_model", "Qwen3-8B"), ("Qwen3-8B", "1", "Qwen3-8B"), ("1",)]
    )
    def test_where_azure_put_it_instead(self, launch, model, tmp_path, layout):
        path = model(*layout)
        wanted = str(tmp_path / "models" / "elsewhere" / "Qwen3-8B")
        found, rest = served(launch(MODEL=wanted))
        assert found == path
        assert rest[:3] == ["--served-model-name", "Qwen3-8B", wanted], "clients may still send what was said"
        assert path in rest

    def test_under_azures_own_variable_when_nothing_is_said(self, launch, model, tmp_path):
        path = model("deep", "Qwen3-8B")
        found, rest = served(launch(AZUREML_MODEL_DIR=str(tmp_path / "models")))
        assert (found, rest[1]) == (path, "Qwen3-8B")

    def test_of_several_the_one_with_the_name(self, launch, model, tmp_path):
        model("other")
        path = model("x", "Qwen3-8B")
        assert served(launch(MODEL=str(tmp_path / "models" / "Qwen3-8B")))[0] == path

    def test_a_mistral_folder_is_a_model_too(self, launch, model, tmp_path):
        path = Path(model("Mistral"))
        (path / "config.json").rename(path / "params.json")
        assert served(launch(MODEL=str(path)))[0] == str(path)

    def test_a_hub_id_is_left_to_vllm(self, launch):
        found, rest = served(launch(MODEL_NAME="deepseek-ai/DeepSeek-R1-Distill-Llama-8B"))
        assert found == "deepseek-ai/DeepSeek-R1-Distill-Llama-8B"
        assert rest[1:] == ["DeepSeek-R1-Distill-Llama-8B", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B"]

    def test_model_wins_over_model_name(self, launch, model):
        path = model("Qwen3-8B")
        assert served(launch(MODEL=path, MODEL_NAME="org/other"))[0] == path


class TestStopping:
    @pytest.mark.parametrize(
        ("environ", "code", "says"),
        [
            ({}, 78, "no model: set MODEL"),
            ({"MODEL": "/nowhere/at/all"}, 78, "no config.json at /nowhere/at/all"),
            ({"MODEL_NAME": "org/name", "HF_HUB_OFFLINE": "1"}, 78, "Downloading is off"),
            ({"MODEL_NAME": "org/name", "VLLM_ARGS": '--a "b'}, 64, "cannot be split"),
            ({"MODEL_NAME": "org/name", "VLLM_ARGS": "--model x"}, 64, "--model in VLLM_ARGS is refused"),
            ({"MODEL_NAME": "org/name", "VLLM_ARGS": "--api_key=x"}, 64, "--api-key in VLLM_ARGS is refused"),
        ],
    )
    def test_one_clear_line_and_an_exit_code(self, launch, environ, code, says):
        result = launch(**environ)
        assert result.returncode == code
        assert says in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert "api_server" not in result.stdout

    def test_several_models_and_no_name_are_listed(self, launch, model, tmp_path):
        first, second = model("a"), model("b")
        result = launch(MODEL=str(tmp_path / "models" / "c"))
        assert result.returncode == 78
        assert first in result.stderr
        assert second in result.stderr

    def test_without_vllm_the_reason_is_said(self, tmp_path, model):
        environ = {"PATH": str(tmp_path), "MODEL": model("m")}
        result = subprocess.run(
            [sys.executable, str(LAUNCHER)], env=environ, capture_output=True, text=True, check=False
        )
        assert result.returncode == 127
        assert "python3 cannot be started" in result.stderr


class TestArguments:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", []),
            ("--max-num-seqs 16 --enforce-eager", ["--max-num-seqs", "16", "--enforce-eager"]),
            ("--override '{\"a\": [1, 2]}'", ["--override", '{"a": [1, 2]}']),
            ('--chat-template "a b.jinja"', ["--chat-template", "a b.jinja"]),
            ("--name $HOME", ["--name", "$HOME"]),
            ("--port 9000 --host ::", ["--port", "9000", "--host", "::"]),
        ],
    )
    def test_they_are_split_as_a_shell_would_and_not_expanded(self, launch, text, expected):
        _, rest = served(launch(MODEL_NAME="org/name", VLLM_ARGS=text))
        assert rest[3:] == expected

    @pytest.mark.parametrize("text", ["--served-model-name mine", "--served_model_name=mine"])
    def test_an_explicit_name_wins(self, launch, text):
        _, rest = served(launch(MODEL_NAME="org/name", VLLM_ARGS=text))
        assert rest == text.split()

    @pytest.mark.parametrize("text", ["--hf-token secret-1", "--hf-token=secret-1", "--tokenizer secret-2"])
    def test_a_token_is_passed_on_and_not_logged(self, launch, text):
        result = launch(MODEL_NAME="org/name", VLLM_ARGS=text)
        log, arguments = result.stdout.splitlines()[-2:]
        assert "secret-1" not in log
        assert text.replace("=", " ").split()[-1] in arguments
        assert "secret-2" in log or "tokenizer" not in text


class TestBecomingTheServer:
    def test_the_exit_code_is_vllms(self, launch):
        assert launch(MODEL_NAME="org/name", EXIT="3").returncode == 3

    def test_sigterm_reaches_it(self, launch):
        environ = {"PATH": launch.path, "MODEL_NAME": "org/name", "WAIT": "1"}
        process = subprocess.Popen(
            [sys.executable, str(LAUNCHER)], env=environ, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        while not (line := process.stdout.readline()).startswith("up"):
            assert line, "it ended before it was up"
        assert int(line.split()[1]) == process.pid, "the launcher is no longer there"
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read().strip() == "told to stop"
        assert process.wait() == 0
        assert time.monotonic() - began < 5


class TestDockerfile:
    def test_it_runs_nothing_and_its_entrypoint_is_no_shell(self):
        lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
        assert not [line for line in lines if line.startswith(("RUN", "CMD"))]
        entrypoint = next(line for line in lines if line.startswith("ENTRYPOINT"))
        assert json.loads(entrypoint.removeprefix("ENTRYPOINT "))[0] == "python3"

    def test_the_base_is_a_release_and_never_latest(self):
        tags = [line for line in DOCKERFILE.read_text().splitlines() if line.startswith("ARG BASE_TAG=")]
        assert len(tags) == 1
        assert tags[0].removeprefix("ARG BASE_TAG=v").replace(".", "").isdigit()

    def test_the_launcher_needs_the_standard_library_only(self):
        result = subprocess.run(
            [sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({str(LAUNCHER)!r})"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
