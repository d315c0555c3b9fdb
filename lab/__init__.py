"""Tools that examine the product: `backtest`, `bench`, `chaos` (command `verify`) and `scenarios`."""
