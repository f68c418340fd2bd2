"""The simulator: the real parts in one thread on a virtual clock, with faults drawn from a seed.

    clients -> collector -> log -> engine -> ledger -> worker -> providers

`world` is time and processes; `log`, `ledger` and `providers` are the servers, which outlive
processes; `door`, `engines` and `workers` run the real code as processes that may die at any
touch of a server. `shop` is the workspace, `history` what people do in it, `clients` how their
devices send it, `chaos` what goes wrong. `run` lives through a seed, and `oracle` judges it: it
knows none of our code.
"""
