"""What a function of the expression language is.

A module named after its function, whose docstring is its entry in docs/language.md, with
`SIGNATURE`, an `EXAMPLE` condition and

    code(call, scope) -> Code
        the call as Python source, its cells asked for through `scope.cell(...)`
    compare(call, op, right, scope) -> Code | None         (optional)
        for functions whose comparison with a constant is more than its value: how much must be
        kept, or when time alone changes it. None falls back to comparing the value.
    TAKES = ("number", "within", "sources")                (optional)
        what it takes beside one event or name, a filter and a window; all else is refused.
"""
