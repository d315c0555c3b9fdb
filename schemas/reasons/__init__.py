"""Every code that operators see, in words: a sentence and what to do. Page, `status`, `tap`, API and docs share it.

One table for each kind of code: `quoting`, `guards`, `alerts`, `orders`, `commands`, `parts`, `log_events`. `table` joins
them, and `explain` fills in what is known of the case.
"""
