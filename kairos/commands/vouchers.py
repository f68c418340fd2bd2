"""`kairos vouchers`: pools of single-use codes, which templates give away one a message."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from channels.delivery.voucher_file import CodesError, Listed, read_codes
from channels.delivery.vouchers import Stock, Vouchers, VouchersUnusableError
from kairos.given import content
from kairos.say import as_json, failed
from kairos.settings import SettingsError
from kairos.where import engine
from triggers.vouchers import NAME


def add(
    pool: str,
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    *,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """Add the codes of a file to a pool: all of them, or none where a line is no code.

    Parameters
    ----------
    pool
        Its name, as `vouchers` in workspace.yaml has it.
    file
        One code a line, with or without the header `code`; - reads standard input.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """

    def told(vouchers: Vouchers) -> int:
        codes, repeated = _read(pool, file)
        done = vouchers.add(pool, codes)
        if json:
            as_json({"pool": pool, **done._asdict(), "repeated": repeated})
            return 0
        print(f"{done.added:,} added to {pool}")
        if done.known:
            print(f"{done.known:,} were in it already, given or not")
        if done.elsewhere:
            print(f"{done.elsewhere:,} are in another pool, and stay there")
        if repeated:
            print(f"{repeated:,} in lines that said a code once more")
        return 0

    return _carried_out("vouchers add", data, told, json=json)


def drop(pool: str, *, data: Path | None = None, json: bool = False) -> int:
    """Let go of a pool's unused codes; those that were given stay known.

    Parameters
    ----------
    pool
        Its name, as `kairos vouchers list` shows it.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """

    def told(vouchers: Vouchers) -> int:
        dropped = vouchers.drop(pool)
        if json:
            as_json({"pool": pool, "dropped": dropped})
        else:
            print(f"{dropped:,} dropped from {pool}")
        return 0 if dropped else 1

    return _carried_out("vouchers drop", data, told, json=json)


def list_(*, data: Path | None = None, json: bool = False) -> int:
    """List the pools: how many codes are left, how many were used, and how many in the last day.

    Parameters
    ----------
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """

    def told(vouchers: Vouchers) -> int:
        stocks = vouchers.stocks(time.time_ns() // 1_000_000)
        if json:
            as_json({"pools": [stock._asdict() for stock in stocks]})
        else:
            print("\n".join(_table(stocks)))
        return 0

    return _carried_out("vouchers list", data, told, json=json)


COMMANDS = {"add": add, "drop": drop, "list": list_}


def _carried_out(
    command: str, data: Path | None, do: Callable[[Vouchers], int], *, json: bool
) -> int:
    try:
        with closing(Vouchers(engine(data).deliveries)) as vouchers:
            return do(vouchers)
    except (CodesError, SettingsError, VouchersUnusableError) as error:
        return failed(command, error, json=json)


def _read(pool: str, file: Path) -> Listed:
    if not re.fullmatch(NAME, pool):
        raise SettingsError(f"a pool such as summer or summer_26 was expected, found {pool!r}")
    try:
        return read_codes(content(file))
    except CodesError as error:
        raise CodesError(f"{file}, {error}; nothing was added") from None


def _table(stocks: list[Stock]) -> Iterator[str]:
    if not stocks:
        yield "no pools yet; `kairos vouchers add POOL FILE` fills one"
        return
    width = max(len("pool"), *(len(stock.pool) for stock in stocks))
    yield f"{'pool':<{width}}  {'left':>9}  {'used':>9}  {'last day':>9}"
    for pool, *numbers in stocks:
        yield "  ".join((f"{pool:<{width}}", *(f"{n:>9,}" for n in numbers)))
