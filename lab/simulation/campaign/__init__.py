"""Many runs: campaigns over seeds, shrinking of failing ones, the corpus of runs that failed once."""
