"""A management lock and diagnostic settings of one resource.

A lock also stops `destroy`, and a locked workspace cannot delete its managed network: that is what it is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi


@dataclass(frozen=True, kw_only=True)
class GovernanceArgs:
    """`lock` has `kind` and `name`; a diagnostic setting has targets' ids, log groups, categories and
    metrics."""

    target_id: pulumi.Input[str]
    lock: Mapping[str, Any] | None = None
    diagnostics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Governance(pulumi.ComponentResource):
    """Nothing depends on it."""

    def __init__(self, name: str, args: GovernanceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vllm-azureml:components:Governance", name, None, opts)
        if args.lock:
            from pulumi_azure_native import authorization

            authorization.ManagementLockByScope(
                name,
                lock_name=args.lock["name"] or "vllm-azureml",
                level=args.lock["kind"],
                scope=args.target_id,
                notes="Set by the stack; remove workspace.lock before destroying it.",
                opts=pulumi.ResourceOptions(parent=self),
            )
        for setting, entry in args.diagnostics.items():
            self._diagnostic(f"{name}-{setting}", setting, args.target_id, entry)
        self.register_outputs({})

    def _diagnostic(
        self, name: str, setting: str, target: pulumi.Input[str], entry: Mapping[str, Any]
    ) -> None:
        from pulumi_azure_native import monitor

        logs: list[Any] = []
        metrics: Any = [{"category": metric, "enabled": True} for metric in entry["metric_categories"]]
        groups = entry["log_groups"] or ([] if entry["log_categories"] else ["allLogs"])
        logs += [{"categoryGroup": group, "enabled": True} for group in groups]
        logs += [{"category": category, "enabled": True} for category in entry["log_categories"]]
        monitor.DiagnosticSetting(
            name,
            name=setting,
            resource_uri=target,
            workspace_id=entry["log_analytics_workspace_id"],
            storage_account_id=entry["storage_account_id"],
            logs=logs,
            metrics=metrics,
            opts=pulumi.ResourceOptions(parent=self),
        )
