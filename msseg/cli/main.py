"""The `msseg` command: its subcommands, and how errors end.

Heavy libraries are imported inside the commands that need them, so that `msseg --help` answers at once.
"""

import logging
import signal
import sys
import traceback
import warnings
from types import FrameType
from typing import Any, NoReturn

import typer

from msseg.cli import demo, evaluate, models, predict, report, show, train
from msseg.errors import InputError, PartialFailureError

STOPPED = "stopped; what is finished stays, and --resume continues a run"
EXIT_CRASH, EXIT_INPUT, EXIT_PARTIAL, EXIT_INTERRUPTED, EXIT_TERMINATED = 1, 2, 3, 130, 143

app = typer.Typer(
    name="msseg",
    help="Segment lesions in MRI, membranes and cells in microscopy: train, predict, evaluate, report."
    " `msseg demo` shows it all on built-in data.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # help in plain text: importing the Markdown renderer takes longer than all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every command takes --debug, which shows the traceback of an error.",
)
app.command("demo")(demo.demo)
app.command("run")(train.run)
app.command("train")(train.train)
app.command("predict")(predict.predict)
app.command("evaluate")(evaluate.evaluate)
app.command("report")(report.report)
app.command("models")(models.models)
app.command("layouts")(show.layouts)
app.command("networks")(show.networks)
app.command("losses")(show.losses)
app.command("schema")(show.schema)


def main() -> None:
    """Run the command line; every error ends in one clear message and an exit code that tells its kind."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    _listen_to_warnings(debug)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        ended = app(args=arguments, prog_name="msseg", standalone_mode=False)
        if ended == EXIT_INTERRUPTED:  # what Typer makes of Ctrl-C; older ones raise Abort
            raise KeyboardInterrupt
    except (Exception, KeyboardInterrupt, _Terminated) as error:
        if debug:
            traceback.print_exc()
        sys.exit(_explain(_stopper(error) or error))


def _stopper(error: BaseException | None) -> BaseException | None:
    """The Ctrl-C or SIGTERM at the beginning of it: workers that got the signal as well may raise errors after it."""
    while error is not None and not isinstance(error, KeyboardInterrupt | _Terminated):
        error = error.__context__
    return error


class _Terminated(SystemExit):
    """SIGTERM came: a cluster's time is up, or a container stops. What cleans up on the way out still does."""


def _terminate(_: int, __: FrameType | None) -> NoReturn:
    raise _Terminated


def _explain(error: BaseException) -> int:
    if isinstance(error, _Terminated):
        print(STOPPED, file=sys.stderr)
        return EXIT_TERMINATED
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        print(STOPPED, file=sys.stderr)
        return EXIT_INTERRUPTED
    if hasattr(error, "format_message"):  # a usage error: click's, or of the copy of click that newer Typers carry
        print(_usage(error), file=sys.stderr)
        return EXIT_INPUT
    if isinstance(error, InputError):
        print(f"error: {error}", file=sys.stderr)
        return EXIT_INPUT
    if isinstance(error, PartialFailureError):
        print(f"some cases failed: {error}", file=sys.stderr)
        return EXIT_PARTIAL
    print(
        f"msseg crashed: {type(error).__name__}: {error} (--debug shows where; please report it)",
        file=sys.stderr,
    )
    return EXIT_CRASH


def _usage(error: Any) -> str:
    if type(error).__name__ == "NoArgsIsHelpError":
        return str(error.format_message())
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "msseg"
    return f"error: {message[:1].lower()}{message[1:]} (`{command} --help` tells more)"


class _WarningLines(logging.Handler):
    """One line on standard error for each warning that msseg logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print it where standard error leads now: a progress bar moves it out of its way."""
        print(f"warning: {record.getMessage()}", file=sys.stderr)


def _listen_to_warnings(debug: bool) -> None:
    """Show our own warnings; those of libraries are for developers."""
    logging.getLogger("msseg").handlers = [_WarningLines(logging.WARNING)]
    if not debug:
        warnings.showwarning = _ignore
        logging.getLogger("nibabel").setLevel(logging.CRITICAL)  # its remarks on headers that it mends


def _ignore(*_: object, **__: object) -> None:
    pass
