"""What random bytes are thrown at: one file each, with `seeds()`, `one(data)`, `SLOW_MS`
and `heavy()`, which are measured and not drawn from.

A target may have `changed(data, chance)`, which changes an input so that it keeps its form.
`one` raises on a finding alone: what a function documents to raise is caught in it.
"""
