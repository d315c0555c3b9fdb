"""Draws: functions of a key and numbers alone."""

import statistics

from producers.simulated.draws import exponential, key_of, normal, uniform

KEY = key_of(7, "BTC/USDT:USDT", "traded")


def test_a_draw_does_not_depend_on_earlier_ones() -> None:
    assert uniform(KEY, 1000) == uniform(key_of(7, "BTC/USDT:USDT", "traded"), 1000)
    assert [uniform(KEY, n) for n in range(5)][3] == uniform(KEY, 3)


def test_seed_name_and_numbers_all_matter() -> None:
    keys = {KEY, key_of(8, "BTC/USDT:USDT", "traded"), key_of(7, "BTC/USDT:USDT", "depth")}
    draws = {uniform(key, *numbers) for key in keys for numbers in ((0,), (1,), (0, 0), (0, 1), (1, 0))}
    assert len(draws) == 15


def test_distributions_have_their_mean_and_deviation() -> None:
    uniforms = [uniform(KEY, n) for n in range(20_000)]
    normals = [normal(KEY, n) for n in range(20_000)]
    exponentials = [exponential(KEY, n) for n in range(20_000)]
    assert all(0 < each < 1 for each in uniforms)
    assert abs(statistics.mean(uniforms) - 0.5) < 0.01
    assert abs(statistics.mean(normals)) < 0.03
    assert abs(statistics.stdev(normals) - 1) < 0.03
    assert abs(statistics.mean(exponentials) - 1) < 0.03


def test_neighboring_numbers_are_not_correlated() -> None:
    normals = [normal(KEY, n) for n in range(20_000)]
    assert abs(statistics.correlation(normals[:-1], normals[1:])) < 0.03
