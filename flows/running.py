"""Running a dataflow."""

from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.run import cli_main


def run(flow: Dataflow) -> None:
    """Run a dataflow to its end; what one of its steps raises is raised as it is."""
    try:
        cli_main(flow)  # type: ignore[no-untyped-call]  # Bytewax's own
    except BytewaxRuntimeError as error:
        cause = error.__cause__
        while isinstance(cause, BytewaxRuntimeError):  # one for each step that it came through
            cause = cause.__cause__
        raise cause or error from error
