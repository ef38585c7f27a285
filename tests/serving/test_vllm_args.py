"""vLLM's command line: names, spellings, values, what may not be given."""

import json
import shlex
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BadArgumentsError
from serving.gpus import DATA
from serving.vllm_args import arguments, check_parallelism, nearest_table, parse, table_versions


def problems(text: str, **more) -> list[str]:
    with pytest.raises(BadArgumentsError) as caught:
        parse(text, version="0.32.0", **more)
    return caught.value.problems


class TestSpellings:
    @pytest.mark.parametrize(
        ("text", "name", "value"),
        [
            ("--max-model-len 4096", "max_model_len", 4096),
            ("--max-model-len=4096", "max_model_len", 4096),
            ("--max_model_len 4096", "max_model_len", 4096),
            ("--max-model-len 32k", "max_model_len", 32000),
            ("--max-model-len 32K", "max_model_len", 32768),
            ("--max-model-len 1.5k", "max_model_len", 1500),
            ("--max-model-len auto", "max_model_len", -1),
            ("-tp 4", "tensor_parallel_size", 4),
            ("-tp=4", "tensor_parallel_size", 4),
            ("--gpu-memory-utilization .5", "gpu_memory_utilization", 0.5),
            ("--device-memory-utilization 0.5", "gpu_memory_utilization", 0.5),
            ("--enforce-eager", "enforce_eager", True),
            ("--no-enforce-eager", "enforce_eager", False),
            ("--no-enable-prefix-caching", "enable_prefix_caching", False),
            ("--disable-log-stats", "disable_log_stats", True),
            ("--seed -1", "seed", -1),
            ("--allowed-origins '[\"*\"]'", "allowed_origins", ["*"]),
            ('--speculative-config \'{"method": "ngram"}\'', "speculative_config", {"method": "ngram"}),
            ("--speculative-config.method ngram", "speculative_config", {"method": "ngram"}),
            ("--compilation-config.a.b=true", "compilation_config", {"a": {"b": True}}),
            ("-O3", "optimization_level", "3"),
            ("-O=2", "optimization_level", "2"),
            ("-cc.mode 3", "compilation_config", {"mode": 3}),
            ("-cc.sizes+ 1 -cc.sizes+ 2", "compilation_config", {"sizes": [1, 2]}),
            ("--lora-modules a=/x b=/y", "lora_modules", ["a=/x", "b=/y"]),
            ("--host 0.0.0.0", "host", "0.0.0.0"),
            ("--served-model-name a b", "served_model_name", ["a", "b"]),
            ("--chat-template 'a \"quoted\" path'", "chat_template", 'a "quoted" path'),
        ],
    )
    def test_every_way_to_write_it(self, text, name, value) -> None:
        assert parse(text, version="0.32.0").values == {name: value}

    def test_words_are_taken_as_a_list_too(self) -> None:
        assert parse(["--chat-template", "has space"]).get("chat_template") == "has space"

    def test_parts_of_one_json_argument_are_merged(self) -> None:
        found = parse('-cc.mode 3 --compilation-config \'{"backend": "eager"}\'')
        assert found.get("compilation_config") == {"mode": 3, "backend": "eager"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("--max-modle-len 4096", "did you mean --max-model-len?"),
            ("--frobnicate", "--frobnicate is not an argument of vLLM 0.32.0"),
            ("--max-model-len", "--max-model-len needs a value"),
            ("--max-model-len --enforce-eager", "--max-model-len needs a value"),
            ("--max-model-len big", "needs a whole number"),
            ("--gpu-memory-utilization high", "needs a number"),
            ("--gpu-memory-utilization 1.2", "above 0 and at most 1"),
            ("--gpu-memory-utilization 0", "above 0 and at most 1"),
            ("--enforce-eager=true", "takes no value"),
            ("--dtype bf16", "nearest: bfloat16"),
            ("--speculative-config {", "needs JSON"),
            ("--chat-template 'open", "quote is not closed"),
            ("hello", "belongs to no argument"),
            ("--chat-template two words", "belongs to no argument"),
            ("--max-model-len 1 --max-model-len 2", "given twice"),
            ("--enforce-eager --no-enforce-eager", "given twice"),
            ("-tp 0", "must be at least 1"),
            ("--max-num-batched-tokens 100 --max-num-seqs 256", "every sequence of a step needs a token"),
            (
                "--no-enable-chunked-prefill --max-num-batched-tokens 2048 --max-model-len 4096",
                "without chunked prefill",
            ),
            ("--enable-auto-tool-choice", "needs --tool-call-parser"),
            ("--max-model-len.x 1", "takes no keys"),
            ("--model Qwen/Qwen3-8B", "set that environment variable instead"),
            ("--port 9000", "routes of inference_config"),
            ("--port=9000", "routes of inference_config"),
            ("--host 127.0.0.1", "Azure ML could not reach it"),
            ("--api-key secret", "Authorization"),
            ("--hf-token abc", "Key Vault reference"),
            ("--uds /tmp/x", "Unix socket"),
        ],
    )
    def test_says_why(self, text, words) -> None:
        found = problems(text)
        assert any(words in problem for problem in found), found

    def test_all_at_once(self) -> None:
        assert len(problems("--api-key k --port 1 --nonsense --max-model-len x")) == 4

    def test_a_secret_is_not_repeated(self) -> None:
        assert "hunter2" not in " ".join(problems("--api-key hunter2 --hf-token hunter2"))

    def test_the_launcher_itself_may_give_them(self) -> None:
        assert parse("--model /models/x --port 8000", allow_owned=True).get("port") == 8000


class TestVersions:
    def test_the_table_is_complete(self) -> None:
        found = arguments("0.32.0")
        assert len(found) > 300
        assert found["tensor_parallel_size"].flags == ("--tensor-parallel-size", "-tp")

    def test_an_argument_of_another_version_is_a_warning(self) -> None:
        found = parse("--use-v2-block-manager --enforce-eager", version="0.6.4")
        assert found.values == {"enforce_eager": True}
        assert "not in the table" in found.warnings[0]
        assert not found.exact

    def test_tables_differ_by_version(self) -> None:
        assert parse("--swap-space 4", version="0.11.0").get("swap_space") == 4
        with pytest.raises(BadArgumentsError, match=r"--swap-space is not an argument of vLLM 0\.32\.0"):
            parse("--swap-space 4", version="0.32.0")

    def test_a_misspelling_is_an_error_even_then(self) -> None:
        with pytest.raises(BadArgumentsError, match="did you mean --tensor-parallel-size"):
            parse("--tensor-parallel-sise 2", version="0.6.4")

    def test_the_nearest_table(self) -> None:
        newest = table_versions()[-1]
        assert nearest_table("0.32.0") == ("0.32.0", True)
        assert nearest_table("99.0") == (newest, False)
        assert nearest_table("0.11.2") == ("0.11.0", False)
        assert nearest_table("0.6.4") == (table_versions()[0], False)
        assert nearest_table(None) == (newest, False)

    def test_every_table_says_where_it_is_from(self) -> None:
        for path in (DATA / "vllm_args").glob("*.json"):
            assert path.stem in json.loads(path.read_text())["source"]


class TestNormalised:
    def test_one_form(self) -> None:
        args = parse("-tp 2 --no-enable-prefix-caching --max_model_len 32K -cc.mode 3 --enforce-eager")
        assert args.normalised() == [
            '--compilation-config={"mode":3}',
            "--no-enable-prefix-caching",
            "--enforce-eager",
            "--max-model-len=32768",
            "--tensor-parallel-size=2",
        ]

    @pytest.mark.parametrize(
        "text", ["", "-tp 2 --chat-template 'a b'", "--lora-modules a=/x b=/y", "--seed -3"]
    )
    def test_reading_it_again_changes_nothing(self, text) -> None:
        once = parse(text)
        assert parse(once.command_line()).values == once.values
        assert parse(shlex.split(once.command_line())).normalised() == once.normalised()


def test_parallelism_against_heads_and_gpus() -> None:
    assert check_parallelism(parse("-tp 4"), heads=32, gpus=4) == []
    assert "possible: 1" in check_parallelism(parse("-tp 4"), heads=9, gpus=4)[0]
    assert (
        "need 8 GPUs and the instance has 4" in check_parallelism(parse("-tp 4 -pp 2"), heads=32, gpus=4)[0]
    )
    assert check_parallelism(parse("-tp 4"), heads=None, gpus=None) == []


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(BadArgumentsError):
        parse(text, version="0.32.0").normalised()


WORDS = "-tp --enforce-eager -cc.a.b -cc {} [1] 3 --no-seed a=b --port = - -- --max-model-len -cc.a+ -O3"


@given(st.lists(st.sampled_from(WORDS.split(" ")), max_size=8))
def test_any_order_of_words_is_read_or_refused(words: list[str]) -> None:
    with suppress(BadArgumentsError):
        parse(words, version="0.32.0").normalised()


class TestBeginnings:
    """argparse takes the beginning of a long name, so vLLM does."""

    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("--tensor-par 2", {"tensor_parallel_size": 2}),
            ("--tensor_par=2", {"tensor_parallel_size": 2}),
            ("--enforce", {"enforce_eager": True}),
            ("--no-enable-prefix-cach", {"enable_prefix_caching": False}),
        ],
    )
    def test_of_one_name_only(self, text: str, values: dict[str, object]) -> None:
        found = parse(text, version="0.32.0")
        assert dict(found.values) == values
        assert "write it out" in found.warnings[0]

    @pytest.mark.parametrize("text", ["--max-num 3", "--tp 2", "-tp2", "--", "---"])
    def test_of_several_or_none(self, text: str) -> None:
        with pytest.raises(BadArgumentsError):
            parse(text, version="0.32.0")

    @pytest.mark.parametrize("text", ["--api-k x", "--por 9000", "--ssl-certf x"])
    def test_they_are_no_way_around(self, text: str) -> None:
        with pytest.raises(BadArgumentsError, match="may not be given"):
            parse(text, version="0.32.0")
