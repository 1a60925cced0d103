"""`simkit benchmark`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.cluster.access import ClusterFlags, api_of, with_access_flags
from simkit.cli.cluster.dry_run import DryRun, checked_dry_run, show_documents
from simkit.cli.meant import dgd_in, request_meant
from simkit.cli.measuring import MeterFlags, alone, key_of, limits_of, meter_of, with_meter_flags
from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark, show
from simkit.cli.request_flags import PRICE, request_from_flags, with_request_flags_but
from simkit.core.errors import InputError
from simkit.engines.registry import example_start

_TARGET = "url; k8s: the DGD as it serves on the cluster, from inside; local: mocked engines here."
_IMAGE = "A plain Job with this image of AIPerf, with --target k8s, even where its operator is."
_WHAT = "What is deployed: a DGD.yaml, or a folder that recommend wrote. Without: measure only."
_SERVE = example_start()
_ENGINE = f"Start this engine here: '{_SERVE} ... --port {{port}}', or deployment for the one of the DGD."


@with_meter_flags
@with_request_flags_but("search_strategy", "mode", PRICE)
@with_access_flags
def benchmark(
    what: Annotated[Path | None, typer.Argument(metavar="[DGD.yaml|DIR]", help=_WHAT)] = None,
    *,
    url: Annotated[str | None, typer.Option("--url", help="Server, such as http://localhost:8000.")] = None,
    target: Annotated[str, typer.Option("--target", help=_TARGET)] = "url",
    engine: Annotated[str | None, typer.Option("--engine", metavar="COMMAND", help=_ENGINE)] = None,
    served: Annotated[str | None, typer.Option("--served-model", help="Name the server lists.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the run.")] = Path(
        "out/benchmark"
    ),
    worker: Annotated[str | None, typer.Option("--worker", help="Aggregated layout: 4xtp2 ...")] = None,
    prefill: Annotated[str | None, typer.Option("--prefill", help="Prefill engines: 3xtp2 ...")] = None,
    decode: Annotated[str | None, typer.Option("--decode", help="Decode engines: 1xtp4 ...")] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 1,
    image: Annotated[str | None, typer.Option("--image", help=_IMAGE)] = None,
    dry_run: DryRun = None,
    access: ClusterFlags,
    flags: Mapping[str, Any],
    meter: MeterFlags,
) -> None:
    """Measure a server under the workload that was predicted, and compare. Exit 1 beyond the bounds.

    Example: simkit benchmark out/llama-70b --url http://localhost:8000 -o out/run

    Example: simkit benchmark out/llama-70b --target k8s --namespace team-a -o out/run

    Example: simkit benchmark dgd.yaml --target local --gpu h200_sxm --concurrency 8 --client builtin
    """
    from simkit.measure.benchmark import as_expected
    from simkit.measure.benchmark import benchmark as run
    from simkit.measure.run import server_at

    if target == "k8s":
        place = (access, image, checked_dry_run(dry_run))
        _in_cluster(what, (url, engine), place, (flags, meter, seed), (output, form, quiet))
        return
    if checked_dry_run(dry_run) == "server":
        raise InputError("--dry-run server asks a cluster; add --target k8s, or give --dry-run alone")
    brought_up = _checked_target(target, url, engine)
    layouts = {"worker": worker, "prefill": prefill, "decode": decode}
    settings = meter_of(meter, seed=seed, own_tokenizer=brought_up is not None and brought_up.own_tokenizer)
    request, prediction = _asked(what, flags, layouts, settings)
    name = served or (request.model if request else flags.get("model"))
    workload = prediction.workload if prediction else request.workload
    if dry_run is not None:
        slo = request.slo if prediction and request.slo.bounds else None
        _show_command((settings, workload, slo), (url, str(name), output), form)
        return
    limits = limits_of(meter)
    given = server_at(url, str(name), key_of(meter)) if url is not None else None
    with alone(output), _place(prediction, (given, engine, target), str(name), output) as place:
        prediction = as_expected(prediction, brought_up) if prediction and brought_up else prediction
        remark(f"measuring {place.url} ({place.model})", quiet=quiet)
        outcome = run(place, workload, settings, output, prediction=prediction, limits=limits)
    remark(f"wrote {', '.join(path.name for path in outcome.files)} to {output}", quiet=quiet)
    _show(outcome, form)
    if outcome.comparison is not None and not outcome.comparison.within:
        raise typer.Exit(1)


def _show_command(asked: Any, where: Any, form: Format) -> None:
    """What the client would be called with; nothing is sent, and a password in the address is not shown."""
    import shlex
    from dataclasses import replace

    from simkit.formats.aiperf_command import DEFAULT_URL, profile_command
    from simkit.io.openai_http import endpoint_of

    (meter, workload, slo), (url, model, output) = asked, where
    if meter.client != "aiperf":
        raise InputError("--dry-run shows AIPerf's command; --client builtin has none")
    options = replace(meter.options, artifact_dir=str(output / "aiperf"))
    words = profile_command(
        workload, model=model, url=endpoint_of(url or DEFAULT_URL).url, slo=slo, options=options
    )
    show(form, lambda: {"command": words}, lambda console: console.print(shlex.join(words), soft_wrap=True))


def _in_cluster(what: Any, elsewhere: Any, where: Any, settings: Any, shown: Any) -> None:
    """Measure a DGD that serves on a cluster."""
    from simkit.cluster.documents import load_bundle
    from simkit.cluster.kinds import DGD
    from simkit.measure.in_cluster import OnCluster, benchmark_in_cluster, rehearsed_job

    (access, image, dry_run), (flags, meter, seed), (output, form, quiet) = where, settings, shown
    if what is None or any(elsewhere):
        raise InputError(
            "--target k8s measures a DGD that is deployed: give its file; drop --url and --engine"
        )
    api = api_of(access)
    bundle = load_bundle(what, access["namespace"], api.namespace)
    if bundle.kind != DGD:
        raise InputError(f"{what}: is a {bundle.kind}; give the DGD that serves")
    measuring = meter_of(meter, seed=seed)
    _, prediction = _asked(what, flags, {}, measuring)
    names = {"--kubeconfig": access["kubeconfig"], "--kube-context": access["context"]}
    kube = tuple(str(word) for pair in names.items() if pair[1] for word in pair)
    place = OnCluster(api=api, name=bundle.name, namespace=bundle.namespace, image=image, kube=kube)
    if dry_run is not None:
        show_documents([rehearsed_job(place, prediction, measuring, check=dry_run == "server")], form)
        return
    with alone(output):
        outcome = benchmark_in_cluster(
            place, prediction, measuring, output,
            limits=limits_of(meter), say=lambda line: remark(line, quiet=quiet),
        )  # fmt: skip
    remark(f"wrote {', '.join(path.name for path in outcome.files)} to {output}", quiet=quiet)
    _show(outcome, form)
    if outcome.comparison is not None and not outcome.comparison.within:
        raise typer.Exit(1)


def _checked_target(target: str, url: str | None, engine: str | None) -> Any:
    """The target that brings the deployment up, if one does. Raises InputError unless one place is named."""
    from simkit.io.openai_http import endpoint_of
    from simkit.measure.targets import target_of

    found = None if target == "url" else target_of(target)
    if url is not None and (engine is not None or found is not None):
        raise InputError("--target local and --engine start their own server; drop --url")
    if engine is not None and found is not None:
        raise InputError(f"--engine starts an engine, --target {target} {found.about}; drop one of them")
    if url is None and engine is None and found is None:
        raise InputError(
            "nothing to measure: give --url, --engine, or --target local for mocked engines here"
        )
    if url is not None:
        endpoint_of(url)
    return found


def _place(prediction: Any, where: tuple[Any, str | None, str], model: str, folder: Path) -> Any:
    """The server to measure, as a context."""
    from simkit.measure.benchmark import on_target
    from simkit.measure.local_command import OF_DEPLOYMENT, command_server, deployment_command

    server, engine, target = where
    if engine == OF_DEPLOYMENT:
        if prediction is None:
            raise InputError(f"--engine {OF_DEPLOYMENT}: give a DGD, a recommendation's folder or a layout")
        asked = (prediction.candidate.deployment, prediction.problem.request.model)
        started = deployment_command(*asked, served=model, folder=folder)
        return command_server(started.words, started.model, folder)
    if engine is not None:
        return command_server(engine, model, folder)
    return on_target(prediction, server or target, folder)


def _asked(
    what: Path | None, flags: Mapping[str, Any], layouts: Mapping[str, Any], meter: Any
) -> tuple[Any, Any]:
    """The request, and the prediction where a deployment is named."""
    from simkit.formats.dgd.read import read_dgd
    from simkit.measure.benchmark import predict
    from simkit.verbs.estimate import Layouts

    if what is None and not any(layouts.values()):
        return request_from_flags(None, flags), None
    if what is None:
        request = request_from_flags(None, flags)
        prediction = predict(request, Layouts(**layouts), meter.options)
        return prediction.problem.request, prediction
    if any(layouts.values()):
        raise InputError(f"{what} says the deployment; drop --worker, --prefill and --decode")
    path = dgd_in(what)
    parsed = read_dgd(path)
    request = request_meant(path, parsed, flags).request
    prediction = predict(request, parsed.deployment, meter.options)
    return prediction.problem.request, prediction


def _show(outcome: Any, form: Format) -> None:
    from simkit.measure.benchmark import outcome_page, run_summary
    from simkit.reports.measured import comparison_document, run_page
    from simkit.reports.pages import page_console

    if outcome.comparison is None:
        show(form, lambda: run_summary(outcome.run), lambda out: page_console(run_page(outcome.run), out))
        return
    show(
        form,
        lambda: comparison_document(outcome.comparison, outcome.run),
        lambda console: page_console(outcome_page(outcome), console),
    )
