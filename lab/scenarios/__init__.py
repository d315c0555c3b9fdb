"""What each guard does when it matters, shown on the running stack: `opensqt verify --scenario NAME`.

`story` is what the bus says meanwhile, `stage` what a scenario can do, `plays` the scenarios, `run` performs them.
"""
