"""What varies by the seed of a run."""

from engine.core.settings_checks import check
from lab.simulation.configuration import default_configuration
from lab.simulation.variety import varied, vary

SEEDS = range(1, 101)


def test_each_seed_has_settings_that_are_valid() -> None:
    for seed in SEEDS:
        configuration = varied(default_configuration(seed), seed)
        rules = {each.instrument.symbol: each.instrument for each in configuration.venue.symbols}
        for entry in configuration.symbols:
            assert check(entry.settings, rules[entry.symbol]) == [], f"seed {seed}"


def test_each_variation_occurs_and_none_in_every_world() -> None:
    worlds = [vary(seed) for seed in SEEDS]
    for has in (
        [each.gateways == 1 for each in worlds],
        [each.viewers > 0 for each in worlds],
        [each.command_interval_s > 0 for each in worlds],
        [each.venue_skew_s != 0 for each in worlds],
        ["dead_man_s" in each.producers for each in worlds],
        ["requests_per_s" in each.producers for each in worlds],
    ):
        assert 5 < sum(has) < 60


def test_the_same_seed_gives_the_same_world() -> None:
    assert vary(7) == vary(7)
    assert varied(default_configuration(7), 7) == varied(default_configuration(7), 7)
