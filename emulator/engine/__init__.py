"""Deploys a Pulumi program in Python when the Pulumi CLI is not installed.

    python -m emulator.engine preview|up|refresh|destroy --cwd DIR --stack NAME [the CLI's flags]
    python -m emulator.engine stack init|ls|select|rm|output|export|import, config get|set|rm|ls, cancel

It speaks Pulumi's own gRPC protocol to the program and to the provider plugins it finds on PATH, reads
Pulumi.yaml and Pulumi.STACK.yaml, and reads and writes Pulumi's state files in a file:// backend, so that the
CLI can take a stack over and hand it back. What it does not have it refuses by name. It talks to no cloud but
the embedded one (azure_guard.py).

From the command line inwards:

    cli, commands, operations   flags, commands, preview before the deed, exit codes
    session                     one run put together: servers, program, providers, event sinks
    recovery                    what an interrupted run left pending: --import- and --clear-pending-creates
    deployment                  the run: refresh, program, steps, deletions
    planner, cascade, deletions which steps; steps, executor: how they run; journal: what is recorded
    monitor, requests, hooks    what the program says and is asked
    processes, program          starting processes, the program's first; program_runner: what runs in it
    registry, provider, plugins providers as resources, as calls, as processes; builtin: StackReference
    project, config, secrets    Pulumi.yaml, stack files, passphrase encryption
    backend, checkpoint, state  files, their JSON, its meaning; values, wire, paths, differences: properties
    assets, archives            hashes of files and folders that resources are given
    events, display, digest     what people and --json see

What it leaves out: policy packs, update plans, other backends and secrets providers, Pulumi ESC, `import` of
single resources from the command line, programs in other languages.
"""
