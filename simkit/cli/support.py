"""`simkit support`."""

from typing import Annotated

import typer

from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, show


def support(
    gpu: Annotated[str | None, typer.Option("--gpu", help="Only this GPU, for example h200_sxm.")] = None,
    backend: Annotated[str | None, typer.Option("--backend", help="Only vllm, sglang or trtllm.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="For this model, in its own formats.")] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
) -> None:
    """List GPUs, engines and kinds of models: Dynamo's support, and what our predictions rest on.

    Example: simkit support --gpu h200_sxm --model deepseek-ai/DeepSeek-R1
    """
    from simkit.reports.support import support_table
    from simkit.verbs.support import support as run
    from simkit.verbs.support import support_document

    document = support_document(run(gpu, backend, model))
    show(form, lambda: document, lambda console: support_table(document, console))
