"""One program with many faces: `CASE` names the function that is the program."""

import asyncio
import os

import pulumi
from pulumi import ResourceOptions as O

config = pulumi.Config()


class Box(pulumi.CustomResource):
    address: pulumi.Output[str]

    def __init__(self, name, label=None, opts=None, **more):
        super().__init__("box:index:Box", name, {"label": label, "address": None, **more}, opts)


class Shelf(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("box:index:Shelf", name, {}, opts)
        self.box = Box(f"{name}-box", "on a shelf", O(parent=self))
        self.register_outputs({"address": self.box.address})


def plain():
    box = Box("box", config.get_secret("label") or "one")
    pulumi.export("address", box.address)
    pulumi.export("hidden", pulumi.Output.secret("very-hidden"))


def empty():
    pass


def raises():
    Box("box", "one")
    raise ValueError("the program is wrong")


def hooks():
    def before(args):
        pulumi.log.info(f"before create of {args.name}: {args.new_inputs['label']}")

    def after(args):
        pulumi.log.info(f"after create of {args.name}: {args.new_outputs['address']}")

    def gone(args):
        pulumi.log.info(f"before delete of {args.name}")

    def again(args):
        pulumi.log.info(f"failed: {args.errors[0]}")
        return len(args.errors) < 3

    def hook(name, function):
        return pulumi.ResourceHook(name, function)

    binding = pulumi.ResourceHookBinding(
        before_create=[hook("before", before)],
        after_create=[hook("after", after)],
        before_delete=[hook("gone", gone)],
        on_error=[pulumi.ErrorHook("again", again)],
    )
    Box("box", "one", O(hooks=binding), flaky=2)


def refusing_hook():
    def refuse(args):
        raise RuntimeError("not today")

    Box("box", "one", O(hooks=pulumi.ResourceHookBinding(before_create=[pulumi.ResourceHook("no", refuse)])))


def late_hook():
    def complain(args):
        raise RuntimeError("it smells")

    hooks = pulumi.ResourceHookBinding(after_create=[pulumi.ResourceHook("late", complain)])
    Box("box", "one", O(hooks=hooks))


def transforms():
    def rename(args):
        if args.type_ == "box:index:Box":
            props = {**args.props, "label": "transformed"}
            return pulumi.ResourceTransformResult(props=props, opts=args.opts)
        return None

    pulumi.runtime.register_resource_transform(rename)
    Shelf("shelf")


def reference():
    other = pulumi.StackReference("organization/options/other")
    pulumi.export("theirs", other.require_output("address"))
    pulumi.export("hidden", other.get_output("hidden"))


def invokes():
    class Answer(dict):
        pass

    answer = pulumi.runtime.invoke("box:index:weigh", {"label": "heavy"})
    pulumi.export("weight", answer.value["weight"])
    box = Box("box", "one")
    later = box.address.apply(lambda label: pulumi.runtime.invoke("box:index:weigh", {"label": label}).value)
    pulumi.export("later", later["weight"])


def explicit():
    provider = pulumi.ProviderResource("box", "mine", {"prefix": config.get("prefix") or "my"})
    Box("box", "one", O(provider=provider))
    Shelf("shelf", O(providers=[provider]))


def versions():
    Box("old", "one", O(version="1.2.3"))
    Box("new", "one", O(version="2.0.0-beta.1"))
    Box("url", "one", O(plugin_download_url="https://example.com/plugins"))


def adopted():
    Box("box", config.get("label") or "found", O(import_="id-found"))


def read():
    Box("box", None, O(id="id-found"))
    pulumi.export("address", Box("second", None, O(id="id-found")).address)


def options():
    keeper = Box("keeper", config.get("label") or "one", O(retain_on_delete=True))
    Box("tied", "two", O(deleted_with=keeper))
    Box("ignoring", config.get("label") or "one", O(ignore_changes=["label"]))
    Box("slow", "one", O(custom_timeouts=pulumi.CustomTimeouts(create="1h30m", delete="10s")))
    Box("strict", config.get("label") or "one", O(replace_on_changes=["label"]))
    Box("closed", "one", O(additional_secret_outputs=["address"]))


def slow():
    first = Box("first", "one", sleep=config.get_float("sleep") or 2)
    Box("second", first.address)


def many():
    for index in range(8):
        Box(f"box{index}", "one", sleep=0.4)


class Pair(pulumi.ComponentResource):
    first: pulumi.Output[str]
    hidden: pulumi.Output[str]

    def __init__(self, name, label, opts=None):
        properties = {"label": label, "first": None, "hidden": None}
        super().__init__("pairs:index:Pair", name, properties, opts, remote=True)


def remote():
    pair = Pair("pair", Box("label", "one").address, O(protect=True))
    Box("after", pair.first)
    pulumi.export("hidden", pair.hidden)
    answer = pulumi.runtime.call("pairs:index:Pair/greet", {"__self__": pair, "who": "you"}, res=pair)
    pulumi.export("greeting", answer.apply(lambda value: value["answer"]))


async def _later():
    await asyncio.sleep(0)
    return {"answer": Box("box", "one").address}


def asynchronous():
    pulumi.run(_later)


globals()[os.environ.get("CASE", "plain")]()
