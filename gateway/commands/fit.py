"""`syntra policy fit`: qualities learned from measured outcomes, as the section of a policy document."""

from __future__ import annotations

import tempfile
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.table import Table

from gateway.stores import outcomes as files
from gateway.stores.embedding import Encoder
from gateway.stores.fitting import fit as fitted
from policies.quality import Quality, QualityError, render

complaints = Console(stderr=True)
_BEGIN = "# Fitted by `syntra policy fit`"  # the first line of every section; it goes to the end of its file


@click.command()
@click.option(
    "--outcomes", type=click.Path(path_type=Path), required=True, help="Rows of {task, prompt, scores}, JSON."
)
@click.option(
    "--prices", type=click.Path(path_type=Path), required=True, help="USD for a million tokens by model, JSON."
)
@click.option("--out", type=click.Path(path_type=Path), help="The policy to put the section into; else it is printed.")
def fit(outcomes: Path, prices: Path, out: Path | None) -> None:
    """Learn which model is good enough for which prompt, and write it as a policy's quality section.

    Names of models are those of the catalogue, or their last part. No prompt is in what is written.
    """
    try:
        quality = fitted(files.outcomes(outcomes), files.prices(prices), Encoder.load())
        if out is None:
            click.echo(render(quality), nl=False)
        else:
            _put(out, render(quality))
    except QualityError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{out}: {error.strerror}") from None
    _show(quality)


def _put(path: Path, section: str) -> None:
    """The document with this section in place of the one it had, written at once so that no half of it is ever read."""
    text = path.read_text("utf-8") if path.exists() else ""
    kept = text.partition(_BEGIN)[0].rstrip("\n")
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(f"{kept}\n\n{section}" if kept else section)
    Path(file.name).chmod(path.stat().st_mode if path.exists() else 0o644)
    Path(file.name).replace(path)


def _show(quality: Quality) -> None:
    """What was learned from."""
    table = Table("model", "prompts", "mean score", "in, $/M", box=None, header_style="bold", pad_edge=False)
    for model in sorted(quality.models, key=lambda one: -one.score):
        table.add_row(model.name, f"{model.prompts:,}", f"{model.score:.3f}", f"{model.input_usd_per_million:g}")
    complaints.print(table)
    complaints.print(f"Learned from {quality.prompts:,} prompts of {len(quality.kinds)} kinds.")
