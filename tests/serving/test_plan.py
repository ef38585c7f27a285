"""Start-up time, concurrency, quota, cost and the page that shows them."""

import json

import pytest
from configs import QWEN3_8B, QWEN3_8B_BYTES

from serving import prices, probes
from serving.concurrency import concurrency
from serving.cost import HOURS_PER_MONTH, PriceTable, cost, load_prices, price_table
from serving.errors import ServingError
from serving.quota import Fleet, compare, needs, reserved
from serving.report import StackReport, lines, report, show

GUIDE_LIVENESS = {
    "initial_delay": 10,
    "period": 10,
    "timeout": 2,
    "success_threshold": 1,
    "failure_threshold": 30,
}


class TestProbes:
    def test_the_guides_windows_kill_a_large_model_while_it_loads(self) -> None:
        found = probes.advise(141_107_412_992, liveness=GUIDE_LIVENESS, readiness={"initial_delay": 120})
        assert found.liveness.gives_up_after == 310
        assert "gives up after 310 s, before vLLM listens: 141.1 GB at 200 MB/s" in found.warnings[0]
        assert "readiness_probe gives up after 420 s" in found.warnings[1]

    def test_what_is_suggested_waits_long_enough(self) -> None:
        for size in (269_060_552, QWEN3_8B_BYTES, 141_107_412_992, 700_000_000_000):
            first = probes.advise(size)
            again = probes.advise(
                size, liveness=first.suggested_liveness, readiness=first.suggested_readiness
            )
            assert again.warnings == ()
            assert again.suggested_liveness["initial_delay"] >= first.startup.slow

    def test_a_download_at_start_takes_its_time_too(self) -> None:
        assert probes.startup(10**10, downloads=True).loading == 50 + 100
        assert probes.startup(10**10, mb_per_second=1000).loading == 10
        assert probes.startup(10**10, enforce_eager=True).expected < probes.startup(10**10).expected

    def test_azures_defaults_fill_the_gaps(self) -> None:
        assert probes.window(None).gives_up_after == 310
        assert probes.window({"initial_delay": None, "failure_threshold": 3}).gives_up_after == 40

    def test_nothing_is_said_about_a_model_of_unknown_size(self) -> None:
        assert probes.advise(None) is None


class TestConcurrency:
    def test_azures_default_wastes_the_batch(self) -> None:
        found = concurrency(256, instances=2)
        assert (found.configured, found.budget, found.suggested_budget) == (1, 4, 1024)
        assert "Azure takes 1" in found.warnings[0]

    def test_more_than_the_batch_waits_inside(self) -> None:
        assert "the rest waits inside" in concurrency(16, configured=32).warnings[0]

    def test_equal_is_fine(self) -> None:
        assert concurrency(16, configured=16).warnings == ()


class TestQuota:
    @pytest.mark.parametrize(("instances", "expected"), [(1, 2), (4, 5), (5, 6), (10, 12), (50, 60)])
    def test_the_reserve_is_rounded_up(self, instances, expected) -> None:
        assert reserved(instances, True) == expected
        assert reserved(instances, False) == instances

    def test_the_example_of_the_documentation(self) -> None:
        # "10 instances of a Standard_DS3_v2 VM (four cores) ... quota for 48 cores (12 instances * 4 cores)"
        families, _ = needs([Fleet("x", "Standard_DS3_v2", 10, blue_green=False)])
        assert families[0].steady == 48

    def test_no_reserve_on_an_a100_but_twice_the_cores_while_it_rolls(self) -> None:
        families, unknown = needs(
            [Fleet("a", "Standard_NC24ads_A100_v4", 1), Fleet("b", "standard_nc48ads_a100_v4", 2)]
        )
        assert unknown == []
        assert [(f.family, f.steady, f.peak, f.reserve) for f in families] == [
            ("standardNCADSA100v4Family", 24 + 96, 2 * (24 + 96), False)
        ]

    def test_recreate_needs_no_overlap_and_autoscale_its_maximum(self) -> None:
        families, _ = needs([Fleet("a", "Standard_NC24ads_A100_v4", 1, maximum=3, blue_green=False)])
        assert (families[0].steady, families[0].maximum, families[0].peak) == (24, 72, 72)

    def test_a_sku_in_no_list_is_unknown(self) -> None:
        families, unknown = needs([Fleet("a", "Standard_Foo", 1)])
        assert families == []
        assert "Standard_Foo" in unknown[0]

    def test_against_what_is_left(self) -> None:
        families, _ = needs([Fleet("a", "Standard_NC4as_T4_v3", 1)])
        assert compare(families, None)[0].enough is None
        spelled = {"Standard NCASv3_T4 Family": 15}
        assert compare(families, spelled)[0].enough is False  # 2 instances with the reserve, twice
        own = {"standard NCASv3_T4 Family": 8}
        assert compare(families, spelled, used_by_this_stack=own)[0].enough is True
        assert compare(families, {"other": 1})[0].enough is None


class TestCost:
    TABLE = price_table(
        {
            "read": "2026-11-22",
            "currency": "EUR",
            "regions": {"westeurope": {"Standard_NC24ads_A100_v4": 4.5}},
        }
    )

    def test_hour_and_month(self) -> None:
        total = cost([Fleet("a", "STANDARD_NC24ADS_A100_V4", 2)], self.TABLE, "West Europe")
        assert (total.hourly, total.monthly) == (9.0, 9.0 * HOURS_PER_MONTH)

    def test_a_price_that_is_not_there_is_unknown(self) -> None:
        fleets = [Fleet("a", "Standard_NC24ads_A100_v4", 1), Fleet("b", "Standard_ND96asr_v4", 1)]
        total = cost(fleets, self.TABLE, "westeurope")
        assert [one.hourly for one in total.costs] == [4.5, None]
        assert total.hourly is None
        assert cost(fleets, self.TABLE, "eastus2").costs[0].hourly is None

    def test_a_table_nobody_fetched_is_empty(self, tmp_path) -> None:
        assert load_prices(tmp_path / "prices.json") == PriceTable()

    @pytest.mark.parametrize("text", ["{", "{}", '{"regions": {"x": 1}}', '{"regions": {"x": {"y": "1"}}}'])
    def test_a_table_that_cannot_be_read(self, tmp_path, text) -> None:
        path = tmp_path / "prices.json"
        path.write_text(text)
        with pytest.raises(ServingError, match=r"serving\.prices"):
            load_prices(path)


def meter(**changes) -> dict:
    """One item in the shape of the API's documentation."""
    item = {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": 3.673,
        "unitPrice": 3.673,
        "armRegionName": "westeurope",
        "location": "EU West",
        "effectiveStartDate": "2022-06-01T00:00:00Z",
        "meterName": "NC24ads A100 v4",
        "productName": "Virtual Machines NCads A100 v4 Series",
        "skuName": "NC24ads A100 v4",
        "serviceName": "Virtual Machines",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": "Standard_NC24ads_A100_v4",
    }
    return {**item, **changes}


class TestPrices:
    def test_only_plain_linux_hours_count(self) -> None:
        items = [
            meter(),
            meter(retailPrice=9.0, productName="Virtual Machines NCads A100 v4 Series Windows"),
            meter(retailPrice=1.0, skuName="NC24ads A100 v4 Spot"),
            meter(retailPrice=2.0, meterName="NC24ads A100 v4 Low Priority"),
            meter(retailPrice=3.0, type="Reservation"),
            meter(retailPrice=4.0, unitOfMeasure="1 GB"),
            meter(retailPrice=5.0, armSkuName="Standard_D2s_v3"),
        ]
        assert prices.linux_prices(items) == {"Standard_NC24ads_A100_v4": 3.673}

    def test_pages_are_followed_and_the_table_is_dated(self, tmp_path) -> None:
        asked = []

        def ask(url):
            asked.append(url)
            if url == "next":
                return {
                    "Items": [meter(armSkuName="Standard_NC48ads_A100_v4", retailPrice=7.0)],
                    "NextPageLink": None,
                }
            first = "NC24ads_A100" in url
            return {"Items": [meter()] if first else [], "NextPageLink": "next" if first else None}

        path = tmp_path / "prices.json"
        assert prices.update(path, "westeurope", "EUR", "2026-11-22", ask) == 2
        table = load_prices(path)
        assert (table.read, table.currency) == ("2026-11-22", "EUR")
        assert table.hourly("westeurope", "Standard_NC48ads_A100_v4") == 7.0
        assert "currencyCode=EUR" in asked[0]
        assert all(len(url) < 2000 for url in asked)

    def test_prices_of_another_currency_are_not_mixed_in(self, tmp_path) -> None:
        path = tmp_path / "prices.json"
        for region, currency in (("a", "USD"), ("b", "USD"), ("c", "EUR")):
            prices.update(path, region, currency, "2026-11-22", lambda _: {"Items": []})
        assert list(json.loads(path.read_text())["regions"]) == ["c"]

    def test_an_answer_of_another_shape(self, tmp_path) -> None:
        with pytest.raises(ServingError, match="no Items"):
            prices.update(tmp_path / "p.json", "a", "USD", "2026-11-22", lambda _: {"error": "x"})


DEV = {
    "endpoint": "vllm-private",
    "deployment": "current",
    "instance_type": "Standard_NC24ads_A100_v4",
    "instances": 1,
    "model": "Qwen/Qwen3-8B@main",
    "config": QWEN3_8B,
    "weights_bytes": QWEN3_8B_BYTES,
    "vllm_version": "0.32.0",
    "liveness_probe": GUIDE_LIVENESS,
    "max_concurrent_requests_per_instance": 16,
}


def page(**changes) -> str:
    return "\n".join(lines(dev(**changes)))


def dev(**changes) -> StackReport:
    return report({"stack": "dev", "region": "westeurope", "deployments": [{**DEV, **changes}]})


class TestReport:
    def test_the_dev_stack(self) -> None:
        text = page()
        for words in (
            "fit: fits: one request of 40960 tokens needs",
            "GiB to use = weights 15.3 + activation peak 1.4 + other 0.5 + KV cache 55.7",
            "KV cache: 405,440 tokens, 9.9 requests of 40,960 at once",
            "time to ready: 202 to 344 s",
            "429 beyond 32 in flight (2 x 16 x 1)",
            "standardNCADSA100v4Family: 24 cores, 48 while deployments are replaced, no reserve; what the"
            " subscription has was not checked",
            "cost\n  vllm-private/current: unknown, no price of Standard_NC24ads_A100_v4 in westeurope",
        ):
            assert words in text

    def test_one_line_says_it_all(self) -> None:
        assert page().startswith(
            "the model fits, quota not checked, SKUs there and names free not checked, cost unknown"
        )
        assert page(config=None).startswith("the model may fit or not")
        assert page(instance_type="Standard_NV36ads_A10_v5").startswith("the model does not fit")
        other = {**DEV, "deployment": "next", "vllm_args": "--port 1"}
        checks = [{"what": "endpoint name", "answer": True}]
        stack = {"region": "westeurope", "deployments": [DEV, other], "checks": checks}
        found = report(stack, prices=TestCost.TABLE, available_cores={"standardNCADSA100v4Family": 500})
        text = "\n".join(lines(found))
        assert text.startswith(
            "the model does not fit, quota enough, SKUs there and names free yes, cost 6,570 EUR a month"
        )
        assert "\n  vllm-private: 9.00 EUR an hour, 6,570 a month" in text
        short = report(stack, available_cores={"standardNCADSA100v4Family": 5})
        assert "quota NOT ENOUGH" in "\n".join(lines(short))

    def test_without_a_lock_it_says_what_it_cannot_know(self) -> None:
        text = page(config=None, weights_bytes=None)
        assert "fit: unknown, nothing is locked for this model (make lock STACK=NAME)" in text
        assert "time to ready: unknown" in text
        assert "liveness gives up after 310 s" in text
        assert "429 beyond 32 in flight" in text

    def test_bad_arguments_are_problems(self) -> None:
        found = dev(vllm_args="--max-modle-len 5")
        assert "--max-modle-len is not an argument" in found.warnings[0]
        assert "vLLM would not start" in "\n".join(lines(found))

    def test_a_secret_in_refused_arguments_is_not_shown(self) -> None:
        assert "hunter2" not in page(vllm_args="--api-key hunter2")

    def test_a_case_that_does_not_fit_says_what_would(self) -> None:
        text = page(instance_type="Standard_NV36ads_A10_v5")
        assert "fit: no" in text
        assert "fits with --max-model-len" in text
        assert "SKU that fits: Standard_" in text

    def test_what_does_not_fit_is_warned_about_with_the_way_out(self) -> None:
        (warning, *_) = dev(instance_type="Standard_NV36ads_A10_v5").warnings
        assert warning.startswith("vllm-private/current: fit: no")
        assert "fits with --max-model-len" in warning
        assert not any("fit:" in text for text in dev().warnings)

    def test_unknown_skus_stay_unknown(self) -> None:
        text = page(instance_type="Standard_Foo")
        assert "fit: unknown" in text
        assert "unknown: vllm-private/current" in text

    def test_quota_prices_and_checks_when_they_are_known(self) -> None:
        stack = {
            "stack": "dev",
            "region": "westeurope",
            "deployments": [DEV],
            "checks": [{"what": "endpoint name vllm-private is free", "answer": False, "detail": "taken"}],
        }
        found = report(stack, prices=TestCost.TABLE, available_cores={"standardNCADSA100v4Family": 24})
        text = "\n".join(lines(found))
        assert "NOT ENOUGH to replace deployments, 24 are left: ask for quota, or set rollout" in text
        assert "stack: 4.50 EUR an hour, 3,285 a month" in text
        assert "prices of 2026-11-22" in text
        assert "endpoint name vllm-private is free: NO: taken" in text

    def test_the_page_is_shown(self, capsys) -> None:
        show(report({"stack": "dev", "region": "westeurope", "deployments": [DEV, {**DEV, "config": None}]}))
        shown = capsys.readouterr().out
        assert "vllm-private/current" in shown
        assert "Quota" in shown
